"""Back up a database to one file, and restore it: SQLite with its online backup, PostgreSQL with pg_dump."""
