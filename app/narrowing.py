"""Read a page of a list by index, however many rows its table has.

Every filter has an index. If a filter matches only a few rows, these are read and sorted. If each filter
matches many, the index of the order is read until the page is full.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.db import Transaction

# To read and sort this many rows takes about as long as to find a page where one row in a hundred matches.
FEW = 500


def first_with_few(tx: Transaction, candidates: Sequence[Select[Any]]) -> Select[Any] | None:
    """Return the first statement that selects at most FEW rows; None if each of them selects more.

    A statement selects one column, in the order of the index that it reads. One query tries them all.
    """
    if not candidates:
        return None
    beyond = [candidate.limit(1).offset(FEW).scalar_subquery() for candidate in candidates]
    values = tx.db.execute(select(*beyond)).one()
    found = (one for one, value in zip(candidates, values, strict=True) if value is None)
    few = next(found, None)
    return None if few is None else few.order_by(None).limit(FEW)


class _WithoutIndex(FunctionElement[Any]):
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


def without_index(column: Any) -> ColumnElement[Any]:
    """Return a column for a condition or an order that should not choose the index to read.

    This is for SQLite, which does not know how often a value occurs. PostgreSQL has statistics.
    """
    return _WithoutIndex(column)


@compiles(_WithoutIndex)
def _plain(element: _WithoutIndex, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_WithoutIndex, "sqlite")
def _with_plus(element: _WithoutIndex, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
