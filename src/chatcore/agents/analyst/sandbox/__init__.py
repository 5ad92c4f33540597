"""A stranger's or a model's query, run in a process of its own."""
