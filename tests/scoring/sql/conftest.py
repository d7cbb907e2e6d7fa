import pytest

from tests.scoring.sql.engines import DuckDB, PostgreSQL


@pytest.fixture(scope="session", params=["duckdb", "postgresql"])
def engine(request):
    """A database to run statements on."""
    is_duckdb = request.param == "duckdb"
    made = DuckDB() if is_duckdb else PostgreSQL(request.getfixturevalue("postgres").empty())
    yield made
    made.close()
