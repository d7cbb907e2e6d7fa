"""Scores of whole files, by DuckDB: larger than memory, and the same to the last bit."""
