"""Constant SQL statements: compile each of them once, and run them with the driver alone.

For a small statement, SQLAlchemy takes several times as long as its driver, even if the statement is cached.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, TypeVar

from sqlalchemy import JSON, BindParameter, Dialect, bindparam, func, inspect, literal_column, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import SQLModel

T = TypeVar("T", bound=SQLModel)
Parameters = Mapping[str, Any]
Values = tuple[Any, ...]
Process = Callable[[Any], Any]
# Far more than the service has. An UPDATE has one statement for each set of columns that change.
MAX_COMPILED = 2000


class CompiledStatement:
    """The text of a statement for one driver, and how to convert its parameters and its rows.

    `names` are the parameters that each call sends. The statement contains the values of all others.
    """

    def __init__(self, statement: Any, dialect: Dialect, names: tuple[str, ...]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        assert isinstance(compiled, SQLCompiler)
        assert not compiled.post_compile_params, "the text of this statement depends on its parameters"
        self.text = str(compiled)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        missing = [name for name, bind in binds.items() if bind.required and name not in names]
        assert not missing, f"this statement needs values for {missing}"
        # sqlite3 takes parameters by position, and psycopg by name.
        self._is_positional = compiled.positiontup is not None
        self._bound = compiled.positiontup or list(binds)
        self._fixed = {name: binds[name].value for name in self._bound if name not in names}
        processes = ((place, _bind_process(binds[name], dialect)) for place, name in enumerate(self._bound))
        self._bind_processes = [(place, process) for place, process in processes if process]
        self._dialect = dialect
        self._columns = [column.type.dialect_impl(dialect) for column in statement.exported_columns]
        self._processes: list[tuple[int, Process]] | None = None

    def bound(self, parameters: Parameters) -> Any:
        """Return the parameters as the driver takes them."""
        sent = {**self._fixed, **parameters} if self._fixed else parameters
        values = [sent[name] for name in self._bound]
        for place, process in self._bind_processes:
            values[place] = process(values[place])
        if self._is_positional:
            return values
        return dict(zip(self._bound, values, strict=True))

    def rows(self, cursor: Any) -> list[Values]:
        """Return the rows that a cursor has found, with values of the types of the columns."""
        if not self._columns:
            return []
        if self._processes is None:
            self._processes = list(self._find_processes(cursor))
        rows: list[Values] = cursor.fetchall()
        for place, process in self._processes:
            rows = [(*row[:place], process(row[place]), *row[place + 1 :]) for row in rows]
        return rows

    def _find_processes(self, cursor: Any) -> Iterator[tuple[int, Process]]:
        """Yield the place of each column whose values are converted, and how."""
        for place, (type_, (_, driver_type, *_)) in enumerate(
            zip(self._columns, cursor.description, strict=True)
        ):
            if process := type_.result_processor(self._dialect, driver_type):
                yield place, process


def _bind_process(bind: BindParameter[Any], dialect: Dialect) -> Process | None:
    """Return how the values of a parameter are converted for the driver; None if they are not."""
    return bind.type.dialect_impl(dialect).bind_processor(dialect)


@lru_cache(MAX_COMPILED)
def compiled_for(dialect: Dialect, statement: Any, names: tuple[str, ...]) -> CompiledStatement:
    """Return a constant statement, compiled for a dialect and parameters with these names."""
    return CompiledStatement(statement, dialect, names)


@lru_cache(MAX_COMPILED)
def compiled_for_rows(dialect: Dialect, insert: Any, names: tuple[str, ...]) -> CompiledStatement:
    """Return a constant INSERT, compiled for PostgreSQL, that takes rows with these names as one parameter.

    The parameter `rows` is JSON: psycopg takes several times as long to send each row by itself.
    """
    records = func.json_populate_recordset(
        literal_column(f'NULL::"{insert.table.name}"'), bindparam("rows", type_=JSON)
    )
    source: Any = select(*(literal_column(f'"{name}"') for name in names)).select_from(records)
    return CompiledStatement(insert.from_select(names, source, include_defaults=False), dialect, ("rows",))


def execute(connection: Connection, text: str, parameters: Any, *, many: bool = False) -> Any:
    """Run a statement with the driver, and return its cursor. Raises DBAPIError, as SQLAlchemy does."""
    cursor = connection.connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(text, parameters)
    except connection.dialect.loaded_dbapi.Error as error:
        dialect = connection.dialect
        is_lost = dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor)
        if is_lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            text,
            None,
            error,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=is_lost,
            dialect=dialect,
        ) from error
    return cursor


def untracked(table: type[T], rows: Iterable[Values]) -> list[T]:
    """Return an object for each row. A row has all columns of the table, in their order.

    The ORM does not track these objects, because tracking takes longer than reading. Code that changes one
    has to write it to the database itself.
    """
    new_object, names = _mapping_of(table)
    objects = []
    for row in rows:
        found = new_object()
        found.__dict__.update(zip(names, row, strict=True))
        objects.append(found)
    return objects


def new_untracked(table: type[T], values: dict[str, Any]) -> T:
    """Return a new object that the ORM does not track. Columns without a value get their default."""
    new_object, names = _mapping_of(table)
    fields = table.model_fields
    created: T = new_object()
    created.__dict__.update(
        (name, values[name] if name in values else fields[name].get_default(call_default_factory=True))
        for name in names
    )
    return created


@cache
def _mapping_of(table: type[T]) -> tuple[Callable[[], T], list[str]]:
    """Return a function that creates an empty object of a table, and the names of its columns."""
    names = [column.name for column in SQLModel.metadata.tables[str(table.__tablename__)].c]
    return inspect(table).class_manager.new_instance, names
