"""Calibration: what share of the deals was won at each score."""

from dataclasses import dataclass

from app.files.columns import Column
from app.insights.queries import ConcludedSession, concluded_sessions, excluded
from app.insights.report import Reading, Table
from app.insights.schemas import CalibrationOut, Excluded


@dataclass(frozen=True, slots=True)
class Deals:
    """What the report is computed from."""

    question_set: str
    sessions: list[ConcludedSession]
    excluded: Excluded


def read(reading: Reading) -> Deals:
    """Read the won and lost sessions on a question set. Raises INVALID_REQUEST for an unknown set."""
    tx, filters = reading.tx, reading.filters
    question_set = reading.plans.find_filter(tx, filters.question_set, "query")
    return Deals(
        filters.question_set,
        concluded_sessions(tx, filters, question_set),
        excluded(tx, filters, question_set),
    )


def compute(deals: Deals) -> CalibrationOut:
    """Compute the report."""
    scored = [one for one in deals.sessions if one.knocked_out or one.score is not None]
    won = sum(one.won for one in scored)
    return CalibrationOut(
        question_set=deals.question_set,
        verdict="",
        preliminary=min(won, len(scored) - won) < 100,
        excluded=deals.excluded,
        n=len(scored),
        won=won,
        lost=len(scored) - won,
    )


def table(report: CalibrationOut) -> Table:
    """Return the bands of the report, one row for each."""
    return Table([Column("won", "integer"), Column("lost", "integer")], [(report.won, report.lost)])
