"""The built-in analyst: answers questions about tabular usage data with numbers computed from rows."""
