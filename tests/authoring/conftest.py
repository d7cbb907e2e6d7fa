"""Commands as processes of their own, as in the tests of the commands."""

from tests.commands.conftest import run, started

__all__ = ["run", "started"]
