"""Score files that are larger than memory with DuckDB. The scores are the same to the last bit."""
