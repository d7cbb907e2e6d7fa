"""Commands as processes of their own, as in the tests of the commands."""

from tests.cli.conftest import migrated_file, run, run_without_database, started

__all__ = ["migrated_file", "run", "run_without_database", "started"]
