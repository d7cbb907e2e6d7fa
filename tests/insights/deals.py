"""Deals for the tests of reports that need no database."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from random import Random

from app.insights.queries import ConcludedSession
from app.insights.schemas import Excluded

NONE_EXCLUDED = Excluded(hindsight=0, not_scored=0, no_decision=0, open=0, not_pursued=0)
FIRST_DAY = date(2026, 1, 1)
RECORDED_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def deal(number, *, won, score=50.0, **fields):
    """A deal of a prospect, which closed on the day of its number. Without a score, it is knocked out."""
    known = {
        "session": number,
        "prospect": number,
        "version": 1,
        "won": won,
        "score": score,
        "knocked_out": score is None,
        "hindsight": False,
        "closed_on": FIRST_DAY + timedelta(days=number % 400),
        "recorded_at": RECORDED_AT,
        "opened_at": RECORDED_AT,
        "ratings": "",
    }
    return ConcludedSession(**known | fields)


def deals(scores_of_won, scores_of_lost):
    """A deal for each score, each of another prospect."""
    outcomes = [*((score, True) for score in scores_of_won), *((score, False) for score in scores_of_lost)]
    return [deal(number, won=won, score=score) for number, (score, won) in enumerate(outcomes)]


def random_deals(count, *, slope, seed=1):
    """Deals with scores of 5 to 95, whose log odds to be won rise by `slope` for each point above 50."""
    random = Random(seed)
    scores = [round(random.uniform(5, 95), 6) for _ in range(count)]
    return [
        deal(number, won=random.random() < 1 / (1 + math.exp(-slope * (score - 50))), score=score)
        for number, score in enumerate(scores)
    ]


def assert_finite(report):
    """The report has no number that JSON does not have."""
    json.dumps(report.model_dump(mode="json"), allow_nan=False)
