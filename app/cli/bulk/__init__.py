"""Score files that are larger than memory, with DuckDB, to the same bit."""
