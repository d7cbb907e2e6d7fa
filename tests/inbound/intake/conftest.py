"""The fixtures of the API's tests: question sets of a test's own."""

from tests.api.conftest import anybody, database, other_link, publish, ruled, small

__all__ = ["anybody", "database", "other_link", "publish", "ruled", "small"]
