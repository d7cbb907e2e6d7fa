"""Commands as processes of their own, as in the tests of the commands."""

from tests.commands.conftest import run

__all__ = ["run"]
