"""Commands as processes of their own, as in the tests of the commands."""

from tests.cli.conftest import run, started

__all__ = ["run", "started"]
