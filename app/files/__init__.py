"""Data files: CSV, XLSX, NDJSON and Parquet, read and written in constant memory."""
