"""Threads, messages, runs and their events, kept durably. Importing this package loads no database library."""
