"""Transports: what carries text frames, and the port they all implement (:mod:`.base`)."""
