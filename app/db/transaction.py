"""A running transaction, and how to run statements in it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session as DatabaseSession

from app.db.compiled import Parameters, Values, compiled_for, compiled_for_rows, execute


@dataclass(frozen=True, slots=True)
class Transaction:
    """A running transaction, and its time in UTC, which all its writes use.

    `run` runs constant statements. `sql` runs any statement. `db` also loads objects of the ORM, which takes
    longer. If the transaction is `silent`, webhooks do not get the events that it records.
    """

    sql: Connection
    at: datetime
    silent: bool = False
    _sessions: list[DatabaseSession] = field(default_factory=list)

    @property
    def db(self) -> DatabaseSession:
        """The session of the ORM, opened when it is first used. Copies of the transaction share it."""
        if not self._sessions:
            self._sessions.append(
                DatabaseSession(self.sql, expire_on_commit=False, close_resets_only=False, autoflush=False)
            )
        return self._sessions[0]

    @contextmanager
    def using_orm(self) -> Iterator[None]:
        """Flush the session of the ORM at the end of the block, if it was used, and close it."""
        try:
            yield
            for session in self._sessions:
                session.flush()
        finally:
            for session in self._sessions:
                session.close()

    def savepoint(self) -> SessionTransaction:
        """Begin a part of the transaction that can be rolled back by itself. Use it as a context manager."""
        savepoint = self.db.begin_nested()
        # The session only sets the savepoint when it is used, and `sql` and `run` would write before that.
        self.db.connection()
        return savepoint

    def run(self, statement: Any, parameters: Parameters) -> list[Values]:
        """Run a constant statement, and return its rows, with values of the types of the columns."""
        compiled = compiled_for(self.sql.dialect, statement, tuple(parameters))
        return compiled.rows(execute(self.sql, compiled.text, compiled.bound(parameters)))

    def insert_rows(self, insert: Any, rows: Sequence[Parameters]) -> None:
        """Insert rows with a constant INSERT. There is at least one row, and all have the same column names.

        If the INSERT replaces existing rows, no two of them may replace the same one.
        """
        dialect, names = self.sql.dialect, tuple(rows[0])
        if len(rows) == 1:
            self.run(insert, rows[0])
        elif dialect.name == "postgresql":
            compiled = compiled_for_rows(dialect, insert, names)
            execute(self.sql, compiled.text, compiled.bound({"rows": rows}))
        else:
            compiled = compiled_for(dialect, insert, names)
            execute(self.sql, compiled.text, list(map(compiled.bound, rows)), many=True)
