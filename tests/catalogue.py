"""What a database says of itself, in an order that two databases can be compared in."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, make_url, text

from app.db import open_database
from app.migrate import migrate
from tests.conftest import settings_for

Catalogue = dict[str, dict[str, Any]]

TRIGGERS = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, tgrelid::regclass::text FROM pg_trigger"
    " WHERE NOT tgisinternal AND tgenabled = 'O'",
}


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    database = open_database(settings_for(url))
    database.create()
    with database.engine.connect() as connection:
        yield connection
    database.close()


def run_migrations(url: str) -> None:
    database = open_database(settings_for(url))
    migrate(database)
    database.close()


def set_revision(url: str, revision: str) -> None:
    """Change the revision that a database says it is at, and nothing else."""
    with connected(url) as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": revision})


def catalogue(connection: Connection) -> Catalogue:
    """Every table but Alembic's own, with all that constrains it."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": {
                column["name"]: (
                    column["type"].compile(connection.dialect),
                    column["nullable"],
                    column["default"],
                )
                for column in inspector.get_columns(table)
            },
            "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
            "foreign keys": _sorted(inspector.get_foreign_keys(table)),
            "unique": _sorted(inspector.get_unique_constraints(table)),
            "checks": _sorted(inspector.get_check_constraints(table)),
            "indexes": _sorted(inspector.get_indexes(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def _sorted(found: list[Any]) -> list[str]:
    return sorted(map(_told, found))


def _told(found: Any) -> str:
    """As text, since the condition of a partial index is an expression that equals nothing but itself."""
    if isinstance(found, dict):
        return str({name: _told(found[name]) for name in sorted(found)})
    return str(found)


def triggers(connection: Connection) -> set[tuple[str, str]]:
    """The name and the table of every trigger that is in force."""
    return {(name, table) for name, table in connection.execute(text(TRIGGERS[connection.dialect.name]))}


def contents(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table."""
    return {
        table: sorted(str(tuple(row)) for row in connection.execute(text(f'SELECT * FROM "{table}"')))
        for table in inspect(connection).get_table_names()
    }


def files_beside(url: str) -> dict[str, bytes]:
    """The files in the folder of an SQLite database, by name.

    Another process reads them: if this one closed a file that SQLite has open in it, the locks of SQLite
    would be released, and another process could delete the journal that is in use.
    """
    paths = Path(make_url(url).database or "").parent.iterdir()
    return {
        path.name: subprocess.run(["cat", path], capture_output=True, check=True).stdout for path in paths
    }


def stored_whole(url: str) -> object:
    """All that a database holds: the bytes of SQLite's files, or the catalogue and every row."""
    if url.startswith("sqlite"):
        return files_beside(url)
    with connected(url) as connection:
        return catalogue(connection), triggers(connection), contents(connection)
