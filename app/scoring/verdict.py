"""The verdict: the figures of a score without its texts, small enough to store with every revision."""

from collections.abc import Sequence

from app.scoring.figures import dimension_figures
from app.scoring.indication import can_be_fit
from app.scoring.plan import Plan
from app.scoring.result import Figures, Verdict
from app.scoring.score import Judged
from app.scoring.tally import Counts, sum_of
from app.scoring.units import units_of


class VerdictRecord(Figures):
    """A stored verdict. `version` is that of the question set, and `blockers` are keys of questions.

    `dimensions` are the counts of each dimension, from which its figures are computed.
    """

    version: int
    dimensions: list[Sequence[int]]
    blockers: list[str]


def verdict_record(judged: Judged) -> VerdictRecord:
    """The verdict of judged answers, as it is stored."""
    assessment = judged.assessment
    return {
        "version": judged.plan.version,
        "indication": assessment.indication,
        "settled": judged.settled,
        "leaning": assessment.leaning,
        "score": assessment.score,
        "lowest": assessment.units.lowest,
        "highest": assessment.units.highest,
        "coverage": assessment.units.coverage,
        "grade": assessment.grade,
        "dimensions": [tally.counts for tally in assessment.totals.dimensions],
        "blockers": [
            s.question.key for s in (*assessment.must.missed_knock_outs, *assessment.must.other_blockers)
        ],
    }


def read_verdict(plan: Plan, record: VerdictRecord) -> Verdict:
    """A stored verdict with the figures of every dimension; `plan` is the plan of its version."""
    dimensions = [plan.tally(Counts(*counts)) for counts in record["dimensions"]]
    units = units_of(dimensions if plan.reciprocal else [sum_of(dimensions)])
    fit_is_possible = plan.thresholds is not None and can_be_fit(units, blocked=bool(record["blockers"]))
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
        "dimensions": dimension_figures(plan.layout, dimensions, can_be_fit=fit_is_possible),
        "blockers": record["blockers"],
    }
