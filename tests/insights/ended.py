"""Deals and what is reported about them, without a database."""

from itertools import count

from app.insights.deals import Deal
from app.insights.outcomes import Outcomes, compute
from app.insights.schemas import Excluded

NOTHING_EXCLUDED = Excluded(hindsight=0, not_scored=0, no_decision=0, open=0, not_pursued=0)
numbers = count(1)


def ended(outcome, **known):
    """A session with an outcome, of a prospect and a deal of its own unless they are named."""
    return Deal(
        **{
            "session": "S",
            "prospect": f"P{next(numbers)}",
            "deal": "",
            "assessor": "",
            "question_set": "bant",
            "version": 1,
            "outcome": outcome,
            "day": "2026-01-31",
            "amount": None,
            "currency": None,
            "reason": None,
            "competitor": None,
            "hindsight": False,
            "ratings": "",
            **known,
        }
    )


def report(*sessions, by=("reason",), labels=None, with_hindsight=False):
    return compute(Outcomes(None, by, list(sessions), labels, NOTHING_EXCLUDED, with_hindsight))
