"""Read plain lines of a batch without a model, which takes ten times as long.

A plain line has only ratings and attributes, and nothing in it can be wrong. The result is the same as by
`ScoreRequest`, which reads all other lines and finds what is wrong with them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from app.schemas import MAX_ATTRIBUTES, check_scalar
from app.scoring import Answers, Plan, QuestionState
from app.sessions.requests import MAX_ANSWERS

PLAIN_FIELDS = {"question_set", "ratings", "attributes"}
# The line itself, its ratings and its attributes.
MAX_OBJECTS = 3
# orjson reads a longer integer as a float.
MAX_FLOAT = 2**53


class PlainLine(NamedTuple):
    """The content of a plain line, and the plan of its set. The attributes have the values that were sent.

    If the set uses no attributes, the line has `states` instead of `answers`, because they are read faster.
    """

    plan: Plan
    answers: Answers
    states: list[QuestionState] | None
    attributes: Mapping[str, Any]


def parse_plain(line: bytes) -> dict[str, Any] | None:
    """Parse a line that may be plain; None if `read_json` has to read it.

    `read_json` returns the same, except that it refuses some numbers, which are not in a plain line either.
    """
    if b"\\" in line or b"[" in line or line.count(b"{") > MAX_OBJECTS:
        return None
    try:
        sent = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if type(sent) is not dict:
        return None
    # orjson keeps the last value of a repeated name. There is none if each colon follows a name.
    names = len(sent)
    for value in sent.values():
        if type(value) is dict:
            names += len(value)
    return sent if names == line.count(b":") else None


def read_plain(plan: Plan, sent: Mapping[str, Any]) -> PlainLine | None:
    """Return the content of a line that is scored with a plan; None if it is not a plain line.

    In a plain line, the ratings are integers on the scale, and the set declares every attribute.
    """
    ratings, attributes = sent.get("ratings", {}), sent.get("attributes", {})
    if type(ratings) is not dict or type(attributes) is not dict or not sent.keys() <= PLAIN_FIELDS:
        return None
    if len(ratings) > MAX_ANSWERS or len(attributes) > MAX_ATTRIBUTES:
        return None
    if attributes and not _are_plain(plan, attributes):
        return None
    if not plan.users:
        states = plan.rated_states(ratings)
        return None if states is None else PlainLine(plan, {}, states, attributes)
    answers = plan.read_ratings(ratings)
    return None if answers is None else PlainLine(plan, answers, None, attributes)


def _are_plain(plan: Plan, attributes: Mapping[str, Any]) -> bool:
    if not attributes.keys() <= plan.question_set.attributes.keys():
        return False
    try:
        for value in attributes.values():
            if value is not None:
                check_scalar(value)
            if type(value) is float and abs(value) > MAX_FLOAT:
                return False
    except ValueError:
        return False
    return True
