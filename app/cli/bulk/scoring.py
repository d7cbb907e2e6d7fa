"""Score a file into another one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from duckdb import DuckDBPyConnection

from app.cli.bulk.columns import PROBLEM, Reader
from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.source import LINES, PARQUET, SUFFIXES, TABLES, UnusableFile, open_source, table_source
from app.scoring import Plan
from app.scoring.sql import Wide, score_sql
from app.scoring.sql.words import literal, name

FORMATS = {
    **dict.fromkeys(TABLES, "FORMAT csv, HEADER true"),
    **dict.fromkeys(LINES, "FORMAT json"),
    PARQUET: "FORMAT parquet, COMPRESSION zstd",
}


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What to score, and how its columns are called: `named` has the column for a key that differs."""

    source: Path | DatabaseTable
    output: Path | DatabaseTable
    rejects: Path | None
    id_column: str
    named: Mapping[str, str]
    missing_is_open: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What came out: rows by indication, rows with a problem, the mean coverage, and the ten best."""

    scored: int
    rejected: int
    indications: list[tuple[str | None, int]]
    coverage: float | None
    best: list[tuple[object, float, str | None]]


def score_file(connection: DuckDBPyConnection, plan: Plan, wanted: ScoreOptions) -> Summary:
    """Score every row of a file; the output appears when it is whole. Raises `Unusable`.

    A row that cannot be scored is written to the rejects with its problem, or without such a file to
    the output, without figures.
    """
    _check(wanted)
    beside = wanted.output.parent if isinstance(wanted.output, Path) else None
    with TemporaryDirectory(dir=beside, prefix=".prospect-fit-") as folder:
        connection.execute(f"SET temp_directory = {literal(folder)}")
        statement = _statement(connection, plan, wanted, Path(folder))
        suffix = wanted.output.suffix.lower() if isinstance(wanted.output, Path) else PARQUET
        made = Path(folder) / ("made" + suffix)
        _copy(connection, statement, made, "WHERE problem IS NULL" if wanted.rejects else "")
        rejected = _reject(connection, statement, wanted, Path(folder)) if wanted.rejects else None
        summary = _summarise(connection, made, name(wanted.id_column), rejected)
        if isinstance(wanted.output, DatabaseTable):
            wanted.output.store(connection, made)
        else:
            os.replace(made, wanted.output)  # noqa: PTH105  # one step, whatever is there already
    return summary


def _statement(connection: DuckDBPyConnection, plan: Plan, wanted: ScoreOptions, folder: Path) -> str:
    """The statement that scores the source; a table is put into the folder before."""
    keep_rejects = wanted.rejects is not None
    if isinstance(wanted.source, DatabaseTable):
        fetched = folder / "fetched.csv"
        types = wanted.source.fetch(fetched)
        source = table_source(fetched, types, keep_rejects=keep_rejects)
    else:
        source = open_source(connection, wanted.source, _known(plan, wanted), keep_rejects=keep_rejects)
    reader = Reader(source, wanted.named, wanted.id_column)
    view, skippable = reader.view(plan, missing_is_open=wanted.missing_is_open)
    connection.execute(f"CREATE TEMP VIEW _prospects AS {view}")
    return score_sql(plan, Wide("_prospects", wanted.id_column, skippable, PROBLEM), "duckdb")


def _check(wanted: ScoreOptions) -> None:
    if isinstance(wanted.output, DatabaseTable):
        wanted.output.require_new()
    for file in (wanted.output, wanted.rejects):
        if not isinstance(file, Path):
            continue
        if file.suffix.lower() not in FORMATS:
            raise UnusableFile(f"{file}: its name has to end in {', '.join(SUFFIXES)}.")
        if isinstance(wanted.source, Path) and file.resolve() == wanted.source.resolve():
            raise UnusableFile(f"{file} is the file that is read: write to another one.")
        if not file.parent.is_dir():
            raise UnusableFile(f"There is no folder {file.parent}.")


def _known(plan: Plan, wanted: ScoreOptions) -> set[str]:
    keys = {*plan.questions, *plan.question_set.attributes, wanted.id_column}
    return {wanted.named.get(key, key) for key in keys}


def _copy(connection: DuckDBPyConnection, statement: str, file: Path, where: str) -> None:
    options = FORMATS[file.suffix]
    connection.execute(f"COPY (SELECT * FROM ({statement}) {where}) TO {literal(str(file))} ({options})")


def _reject(connection: DuckDBPyConnection, statement: str, wanted: ScoreOptions, folder: Path) -> int:
    """Write what cannot be scored: rows with their problem, and the lines of a CSV that are none."""
    assert wanted.rejects
    rows = f"SELECT {name(wanted.id_column)}, problem FROM ({statement}) WHERE problem IS NOT NULL"
    connection.execute(f"CREATE TEMP TABLE _rejected AS {rows}")
    if isinstance(wanted.source, Path) and wanted.source.suffix.lower() in TABLES:
        lines = "SELECT DISTINCT NULL, 'line ' || line || ': ' || error_message FROM reject_errors"
        connection.execute(f"INSERT INTO _rejected {lines}")
    made = folder / ("rejected" + wanted.rejects.suffix.lower())
    _copy(connection, "SELECT * FROM _rejected", made, "")
    os.replace(made, wanted.rejects)  # noqa: PTH105
    return int(_one(connection, "SELECT COUNT(*) FROM _rejected")[0])


def _summarise(connection: DuckDBPyConnection, file: Path, id_name: str, rejected: int | None) -> Summary:
    scores = f"FROM {literal(str(file))} WHERE problem IS NULL"
    count, coverage = _one(connection, f"SELECT COUNT(*), AVG(coverage) {scores}")
    bad = _one(connection, f"SELECT COUNT(*) FROM {literal(str(file))} WHERE problem IS NOT NULL")[0]
    by = f"SELECT indication, COUNT(*) AS rows {scores} GROUP BY indication ORDER BY rows DESC, indication"
    best = f"SELECT {id_name}, score, indication {scores} AND score IS NOT NULL"
    best += f" ORDER BY score DESC, {id_name} LIMIT 10"
    return Summary(
        count,
        bad if rejected is None else rejected,
        connection.execute(by).fetchall(),
        coverage,
        connection.execute(best).fetchall(),
    )


def _one(connection: DuckDBPyConnection, query: str) -> tuple[int, ...]:
    (row,) = connection.execute(query).fetchall()
    return row
