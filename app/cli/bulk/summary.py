"""The summary of one run."""

from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from app.cli.bulk.rows import PreparedRows
from app.cli.bulk.typed import MAX_NAMED, CellReport
from app.files.parquet import exact_path
from app.scoring.sql.words import literal

MAX_BEST = 10


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts and figures of one run.

    `coverage` is the mean, from 0 to 1; `best` has the id, the name, the score and the indication of the ten
    highest scores. `cells` says what was left out.
    """

    scored: int
    indications: list[tuple[str | None, int]]
    coverage: float | None
    best: list[tuple[object, str | None, float, str | None]]
    cells: CellReport


def summarise_scores(
    connection: DuckDBPyConnection, file: Path, rows: PreparedRows, cells: CellReport
) -> Summary:
    """Summarise a Parquet file of scores."""
    scores = f"FROM {literal(exact_path(file))} WHERE problem IS NULL"
    ((count, coverage),) = connection.execute(f"SELECT COUNT(*), AVG(coverage) {scores}").fetchall()
    by_indication = (
        f"SELECT indication, COUNT(*) AS rows {scores} GROUP BY indication ORDER BY rows DESC, indication"
    )
    best = f"SELECT {rows.id}, {rows.name or 'NULL'}, score, indication {scores} AND score IS NOT NULL"
    best += f" ORDER BY score DESC, {rows.id} LIMIT {MAX_BEST}"
    return Summary(
        count,
        connection.execute(by_indication).fetchall(),
        coverage,
        connection.execute(best).fetchall(),
        cells,
    )


def native_report(connection: DuckDBPyConnection, scores: Path, rows: PreparedRows) -> CellReport:
    """Return what was left out of rows that DuckDB read itself."""
    source = f"FROM {literal(exact_path(scores))}"
    unread = "LEN(STRING_SPLIT(unread_attributes, ','))"
    counts = f"SELECT COUNT(problem), COALESCE(SUM({unread}), 0) {source}"
    ((rejected, left_out),) = connection.execute(counts).fetchall()
    named = f"SELECT {rows.id} || ': ' || {{0}} {source} WHERE {{0}} IS NOT NULL LIMIT {MAX_NAMED}"
    first_problems, first_left_out = (
        [text for (text,) in connection.execute(named.format(column)).fetchall()]
        for column in ("problem", "remarks")
    )
    return CellReport(int(left_out), first_left_out, rejected, first_problems)
