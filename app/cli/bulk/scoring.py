"""Score the rows of a file or table, and write the scores to another one."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from duckdb import DuckDBPyConnection

from app.cli.bulk.columns import PROBLEM_COLUMN, Reader
from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.source import (
    NDJSON_SUFFIXES,
    PARQUET_SUFFIX,
    SUFFIXES,
    TABLE_SUFFIXES,
    UnusableFile,
    open_source,
    table_source,
)
from app.scoring import Plan
from app.scoring.sql import Wide, score_sql
from app.scoring.sql.words import case, literal, name

COPY_OPTIONS = {
    **dict.fromkeys(TABLE_SUFFIXES, "FORMAT csv, HEADER true"),
    **dict.fromkeys(NDJSON_SUFFIXES, "FORMAT json"),
    PARQUET_SUFFIX: "FORMAT parquet, COMPRESSION zstd",
}
# A spreadsheet reads a cell that begins with one of these as a formula. An apostrophe in front prevents it
# (OWASP, CSV Injection). A cell with apostrophes before such a character gets one too, so that taking one
# away always gives the original text.
FORMULA = r"'*[=+\-@\t\r]"
ADDED_APOSTROPHE = re.compile(rf"\A'(?={FORMULA})")
NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What to score, and where to write the scores.

    `column_names` maps the key of a question or attribute to its column, where the names differ.
    """

    source: Path | DatabaseTable
    output: Path | DatabaseTable
    rejects: Path | None
    id_column: str
    column_names: Mapping[str, str]
    missing_is_open: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts and figures of one run.

    `coverage` is the mean, from 0 to 1; `best` has the id, score and indication of the ten highest scores.
    """

    scored: int
    rejected: int
    indications: list[tuple[str | None, int]]
    coverage: float | None
    best: list[tuple[object, float, str | None]]


def score_file(connection: DuckDBPyConnection, plan: Plan, options: ScoreOptions) -> Summary:
    """Score every row, and write the output. Raises `UnusableFile`, and `duckdb.Error` for unreadable lines.

    The output appears only when it is complete. A row that cannot be scored goes to the rejects file with
    its problem. Without a rejects file, it goes to the output, without figures.
    """
    _check_files(options)
    parent = options.output.parent if isinstance(options.output, Path) else None
    with TemporaryDirectory(dir=parent, prefix=".prospect-fit-") as folder:
        connection.execute(f"SET temp_directory = {literal(folder)}")
        statement = _statement(connection, plan, options, Path(folder))
        suffix = options.output.suffix.lower() if isinstance(options.output, Path) else PARQUET_SUFFIX
        scores = Path(folder) / ("scores" + suffix)
        _copy(connection, statement, scores, "WHERE problem IS NULL" if options.rejects else "")
        rejected = _reject(connection, statement, options, Path(folder)) if options.rejects else None
        summary = _summarise(connection, scores, name(options.id_column), rejected)
        if isinstance(options.output, DatabaseTable):
            options.output.store(connection, scores)
        else:
            os.replace(scores, options.output)  # noqa: PTH105  # atomic, and replaces an existing file
    return summary


def _statement(connection: DuckDBPyConnection, plan: Plan, options: ScoreOptions, folder: Path) -> str:
    """Return the statement that scores the source. A table is first copied to a file in the folder."""
    keep_rejects = options.rejects is not None
    if isinstance(options.source, DatabaseTable):
        fetched = folder / "fetched.csv"
        types = options.source.fetch(fetched)
        source = table_source(fetched, types, keep_rejects=keep_rejects)
    else:
        source = open_source(
            connection, options.source, _known_columns(plan, options), keep_rejects=keep_rejects
        )
    reader = Reader(source, options.column_names, options.id_column)
    view, skippable = reader.view(plan, missing_is_open=options.missing_is_open)
    connection.execute(f"CREATE TEMP VIEW _prospects AS {view}")
    return score_sql(plan, Wide("_prospects", options.id_column, skippable, PROBLEM_COLUMN), "duckdb")


def _check_files(options: ScoreOptions) -> None:
    if isinstance(options.output, DatabaseTable):
        options.output.require_new()
    for file in (options.output, options.rejects):
        if not isinstance(file, Path):
            continue
        if file.suffix.lower() not in COPY_OPTIONS:
            raise UnusableFile(f"{file}: the name must end in {', '.join(SUFFIXES)}.")
        if isinstance(options.source, Path) and file.resolve() == options.source.resolve():
            raise UnusableFile(f"{file} is the input file: write to another file.")
        if not file.parent.is_dir():
            raise UnusableFile(f"There is no folder {file.parent}.")


def _known_columns(plan: Plan, options: ScoreOptions) -> set[str]:
    keys = {*plan.questions, *plan.question_set.attributes, options.id_column}
    return {options.column_names.get(key, key) for key in keys}


def _copy(connection: DuckDBPyConnection, statement: str, file: Path, where: str) -> None:
    copy_options = COPY_OPTIONS[file.suffix]
    rows = f"SELECT * FROM ({statement}) {where}"
    if file.suffix in TABLE_SUFFIXES:
        rows = _without_formulas(connection, rows)
    connection.execute(f"COPY ({rows}) TO {literal(str(file))} ({copy_options})")


def _without_formulas(connection: DuckDBPyConnection, rows: str) -> str:
    """Return a SELECT whose texts a spreadsheet does not read as formulas. Numbers stay as they are."""
    described = connection.execute(f"DESCRIBE {rows}").fetchall()
    texts = [name(column) for column, type_, *_ in described if type_ == "VARCHAR"]
    cells = ", ".join(f"{_without_formula(text)} AS {text}" for text in texts)
    return f"SELECT * REPLACE ({cells}) FROM ({rows})" if texts else rows


def _without_formula(text: str) -> str:
    is_formula = f"REGEXP_MATCHES({text}, {literal('^' + FORMULA)})"
    is_number = f"REGEXP_FULL_MATCH({text}, {literal(NUMBER)})"
    return case((f"{is_formula} AND NOT {is_number}", f"CHR(39) || {text}"), otherwise=text)


def _reject(connection: DuckDBPyConnection, statement: str, options: ScoreOptions, folder: Path) -> int:
    """Write the rejects, and return their number: rows with a problem, and unreadable lines of a CSV file."""
    assert options.rejects
    rows = f"SELECT {name(options.id_column)}, problem FROM ({statement}) WHERE problem IS NOT NULL"
    connection.execute(f"CREATE TEMP TABLE _rejected AS {rows}")
    if isinstance(options.source, Path) and options.source.suffix.lower() in TABLE_SUFFIXES:
        lines = "SELECT DISTINCT NULL, 'line ' || line || ': ' || error_message FROM reject_errors"
        connection.execute(f"INSERT INTO _rejected {lines}")
    rejects = folder / ("rejects" + options.rejects.suffix.lower())
    _copy(connection, "SELECT * FROM _rejected", rejects, "")
    os.replace(rejects, options.rejects)  # noqa: PTH105
    return int(_single_row(connection, "SELECT COUNT(*) FROM _rejected")[0])


def _summarise(connection: DuckDBPyConnection, file: Path, id_name: str, rejected: int | None) -> Summary:
    # The quote is named, because apostrophes at the beginning of cells can look like quotes.
    is_table = file.suffix in TABLE_SUFFIXES
    written = f"read_csv({literal(str(file))}, delim = ',', quote = '\"')" if is_table else literal(str(file))
    scores = f"FROM {written} WHERE problem IS NULL"
    count, coverage = _single_row(connection, f"SELECT COUNT(*), AVG(coverage) {scores}")
    with_problem = _single_row(connection, f"SELECT COUNT(*) FROM {written} WHERE problem IS NOT NULL")[0]
    by_indication = (
        f"SELECT indication, COUNT(*) AS rows {scores} GROUP BY indication ORDER BY rows DESC, indication"
    )
    best = f"SELECT {id_name}, score, indication {scores} AND score IS NOT NULL"
    best += f" ORDER BY score DESC, {id_name} LIMIT 10"
    return Summary(
        count,
        with_problem if rejected is None else rejected,
        connection.execute(by_indication).fetchall(),
        coverage,
        [
            (ADDED_APOSTROPHE.sub("", id_) if is_table and isinstance(id_, str) else id_, *others)
            for id_, *others in connection.execute(best).fetchall()
        ],
    )


def _single_row(connection: DuckDBPyConnection, query: str) -> tuple[int, ...]:
    (row,) = connection.execute(query).fetchall()
    return row
