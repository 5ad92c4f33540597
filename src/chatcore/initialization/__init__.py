"""The start of the services: what is decided (plan, lifecycle, breaker, progress) and who carries it out (manager)."""
