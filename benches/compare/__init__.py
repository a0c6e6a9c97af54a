"""The comparison: one scenario a file; Python's standard library and PostgreSQL's programs only."""
