"""Give the columns of a Parquet file or table to DuckDB as they are, where they have the right types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from duckdb import DuckDBPyConnection

from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.rows import CSV_OPTIONS, NUMBER_TYPES, PROBLEM_COLUMN, Carried, PreparedRows, carried_column
from app.cli.bulk.source import ReadOptions, require_known
from app.files.cells import EMPTY_WORDS, NOT_APPLICABLE_WORDS
from app.files.entries import ID, NAME, NOT_APPLICABLE_SUFFIX, Expected, match_columns
from app.files.headings import REJECT_COLUMNS
from app.files.opening import format_of, open_table
from app.files.parquet import exact_path
from app.scoring import Plan
from app.scoring.question_set import AttributeType
from app.scoring.sql.words import case, listed, literal, name, select, stripped_text

ATTRIBUTE_COLUMN_TYPES: Mapping[AttributeType, tuple[str, ...]] = {
    "number": NUMBER_TYPES,
    "text": ("VARCHAR",),
    "boolean": ("BOOLEAN",),
}
REMARKS = case(("unread_attributes IS NOT NULL", "'cannot be read: ' || unread_attributes"))
NULL_TYPES: Mapping[AttributeType, str] = {"number": "DOUBLE", "text": "VARCHAR", "boolean": "BOOLEAN"}


@dataclass(frozen=True, slots=True)
class NativeSource:
    """Columns that DuckDB reads itself.

    `relation` goes after FROM, `types` has the type of every column, and `by_key` the column of each key.
    """

    relation: str
    types: Mapping[str, str]
    by_key: Mapping[str, str]

    def is_typed_for(self, plan: Plan) -> bool:
        """Return whether there is an id, and each column that the set uses has the type of its key."""
        wanted = dict.fromkeys(plan.questions, NUMBER_TYPES)
        wanted |= {question + NOT_APPLICABLE_SUFFIX: ("BOOLEAN",) for question in plan.questions}
        wanted |= {key: ATTRIBUTE_COLUMN_TYPES[type_] for key, type_ in plan.question_set.attributes.items()}
        types = {key: self._type(key) for key in self.by_key}
        return ID in types and all(types[key] in wanted[key] for key in types.keys() & wanted.keys())

    def prepare(self, plan: Plan, keep: Sequence[str]) -> PreparedRows:
        """Return the rows for the scoring statement, with the id, the name and the kept columns."""
        named = [self.by_key[key] for key in (ID, NAME) if key in self.by_key]
        carried = [Carried(column, name(column)) for column in dict.fromkeys([*named, *keep])]
        columns: list[tuple[str, str]] = []
        skippable: set[str] = set()
        scored = [q for step in plan.question_set.steps if not step.gated for q in step.questions]
        for question in scored:
            columns.append((question.key, self._column(question.key) or "CAST(NULL AS INTEGER)"))
            if mark := self._column(question.key + NOT_APPLICABLE_SUFFIX):
                columns.append((question.key + NOT_APPLICABLE_SUFFIX, mark))
                skippable.add(question.key)
        columns += [(key, self._attribute(key, type_)) for key, type_ in plan.question_set.attributes.items()]
        columns += [carried_column(carried), (PROBLEM_COLUMN, "CAST(NULL AS VARCHAR)")]
        return PreparedRows(
            select(columns, self.relation), frozenset(skippable), carried, len(set(named)) == 2, REMARKS
        )

    def rejected(self, scores: Path) -> str:
        """Return a SELECT with the whole rows that have a problem or remarks in a file of all scores."""
        reasons = f"(SELECT COALESCE(problem, remarks) AS reason FROM {literal(exact_path(scores))})"
        columns = ", ".join(f"source.{name(column)}" for column in self.types if column not in REJECT_COLUMNS)
        line, because, text = map(name, REJECT_COLUMNS)
        numbered = f"SELECT *, ROW_NUMBER() OVER () + 1 AS line FROM {self.relation}"
        return (
            f"SELECT {columns}, line AS {line}, reason AS {because}, CAST(NULL AS VARCHAR) AS {text} "
            f"FROM ({numbered}) AS source POSITIONAL JOIN {reasons} WHERE reason IS NOT NULL"
        )

    def _type(self, key: str) -> str:
        return self.types[self.by_key[key]].partition("(")[0]

    def _column(self, key: str) -> str | None:
        return name(self.by_key[key]) if key in self.by_key else None

    def _attribute(self, key: str, declared: AttributeType) -> str:
        column = self._column(key)
        if column is None:
            return f"CAST(NULL AS {NULL_TYPES[declared]})"
        if declared != "text":
            return column
        is_empty = f"LOWER({stripped_text(column)}) IN {listed(sorted(EMPTY_WORDS | NOT_APPLICABLE_WORDS))}"
        return case((is_empty, "NULL"), otherwise=column)


def native_source(
    connection: DuckDBPyConnection,
    plan: Plan,
    source: Path | DatabaseTable,
    options: ReadOptions,
    folder: Path,
    least_rows: int,
) -> NativeSource | None:
    """Return a Parquet file or table that DuckDB can read itself.

    None if it has fewer than `least_rows` rows, or a column that has to be read as text. A table is copied
    into the folder.

    Raises:
        Problem: MALFORMED_FILE if the file is not Parquet, INVALID_REQUEST if its columns cannot be matched.
        UnusableFile: if the table cannot be read.
        duckdb.Error: if the Parquet file cannot be read.
    """
    types = source_types(connection, source)
    headings = list(types)
    matched = match_columns(headings, Expected.by(plan), options.column_names) if types else {}
    native = NativeSource("", types, {key: headings[index] for key, index in matched.items()})
    if not native.is_typed_for(plan) or _count(connection, source) < least_rows:
        return None
    require_known(native.by_key, plan)
    relation = _copied(source, types, folder) if isinstance(source, DatabaseTable) else _read_parquet(source)
    return replace(native, relation=relation)


def source_types(connection: DuckDBPyConnection, source: Path | DatabaseTable) -> dict[str, str]:
    """Return the DuckDB type of each column of a Parquet file or table; none for other files.

    Raises what `native_source` raises, but for the columns.
    """
    if isinstance(source, DatabaseTable):
        return source.types()
    if format_of(source) != "parquet":
        return {}
    with open_table(source):
        described = connection.execute(f"DESCRIBE FROM {_read_parquet(source)}").fetchall()
    return {column: type_ for column, type_, *_ in described}


def _count(connection: DuckDBPyConnection, source: Path | DatabaseTable) -> int:
    if isinstance(source, DatabaseTable):
        return source.count()
    ((count,),) = connection.execute(f"SELECT COUNT(*) FROM {_read_parquet(source)}").fetchall()
    return int(count)


def _read_parquet(file: Path) -> str:
    return f"read_parquet({literal(exact_path(file))})"


def _copied(table: DatabaseTable, types: Mapping[str, str], folder: Path) -> str:
    """Copy a table into a CSV file, and return what reads it."""
    file = folder / "fetched.csv"
    table.fetch(file)
    columns = ", ".join(f"{literal(heading)}: {literal(type_)}" for heading, type_ in types.items())
    return f"read_csv({literal(exact_path(file))}, {CSV_OPTIONS}, header = true, columns = {{{columns}}})"
