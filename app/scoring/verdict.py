"""The verdict of a score: its figures without its texts, small enough to keep for every revision."""

from collections.abc import Sequence

from app.scoring.figures import dimension_figures, needed_averages
from app.scoring.plan import Plan
from app.scoring.result import Figures, Verdict
from app.scoring.score import Judged
from app.scoring.tally import Counts, together


class VerdictRecord(Figures):
    """A verdict as it is stored: of each dimension the counts that its figures are made of.

    `version` is the question set's. The blockers are keys of questions.
    """

    version: int
    dimensions: list[Sequence[int]]
    blockers: list[str]


def verdict_record(judged: Judged) -> VerdictRecord:
    """The part of a score that is stored."""
    found = judged.assessment
    return {
        "version": judged.plan.version,
        "indication": found.indication,
        "settled": judged.settled,
        "leaning": found.leaning,
        "score": found.score,
        "lowest": found.lowest,
        "highest": found.highest,
        "coverage": found.coverage,
        "grade": found.grade,
        "dimensions": [tally.counts for tally in found.totals.dimensions],
        "blockers": [s.question.key for s in (*found.must.knocked_out, *found.must.barring)],
    }


def read_verdict(plan: Plan, record: VerdictRecord) -> Verdict:
    """A stored verdict with the figures of every dimension; `plan` is that of its version."""
    dimensions = [plan.tally(Counts(*counts).packed()) for counts in record["dimensions"]]
    units = dimensions if plan.reciprocal else [together(dimensions)]
    needed = needed_averages(plan, units, blocked=bool(record["blockers"]))
    return {
        "indication": record["indication"],
        "settled": record["settled"],
        "leaning": record["leaning"],
        "score": record["score"],
        "grade": record["grade"],
        "lowest": record["lowest"],
        "highest": record["highest"],
        "coverage": record["coverage"],
        "question_set": plan.name,
        "dimensions": dimension_figures(plan, dimensions, needed),
        "blockers": record["blockers"],
    }
