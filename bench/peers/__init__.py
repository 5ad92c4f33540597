"""Other servers that do the same work; each runs in an environment of its own, without chatcore."""
