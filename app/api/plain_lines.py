"""Read plain lines of a batch without a model, which takes ten times as long.

A plain line has only ratings and attributes, and nothing in it can be wrong. The result is the same as by
`ScoreRequest`, which reads all other lines and finds what is wrong with them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.schemas import MAX_ATTRIBUTES, check_scalar
from app.scoring import Answers, Plan
from app.sessions.requests import MAX_ANSWERS

PLAIN_FIELDS = {"question_set", "ratings", "attributes"}


class PlainLine(NamedTuple):
    """The content of a plain line. The attributes have the values that were sent."""

    answers: Answers
    attributes: Mapping[str, Any]


def read_plain(plan: Plan, sent: Mapping[str, Any]) -> PlainLine | None:
    """Return the content of a line that is scored with a plan; None if it is not a plain line.

    In a plain line, the ratings are integers on the scale, and the set declares every attribute.
    """
    ratings, attributes = sent.get("ratings", {}), sent.get("attributes", {})
    if type(ratings) is not dict or type(attributes) is not dict or not sent.keys() <= PLAIN_FIELDS:
        return None
    if len(ratings) > MAX_ANSWERS or len(attributes) > MAX_ATTRIBUTES:
        return None
    answers = plan.read_ratings(ratings)
    if answers is None or not attributes.keys() <= plan.question_set.attributes.keys():
        return None
    try:
        for value in attributes.values():
            if value is not None:
                check_scalar(value)
    except ValueError:
        return None
    return PlainLine(answers, attributes)
