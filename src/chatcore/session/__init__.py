"""One connection's whole life, in four parts: its voice, its attendance on the services, its reception, itself."""
