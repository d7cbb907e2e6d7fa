"""The state of every question of a set, by the design alone: rated, open or not applicable."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, eq=False)
class QuestionState:
    """One question whose `ask_when` holds."""

    scale: object
    step: object
    question: object
    state: str
    rating: int | None = None
    rated_by: str | None = None
    evidence: str | None = None
    ask_again: bool = False
    stale: bool = False
    unknown: bool = False
    valid_until: datetime | None = None

    @property
    def strength(self):
        return self.question.weight * (self.rating - self.scale.min)

    @property
    def gap(self):
        return self.question.weight * (self.scale.max - self.rating)

    @property
    def missed(self):
        reach = self.question.must_reach
        return reach is not None and self.state == "rated" and self.rating < reach

    @property
    def above_the_middle(self):
        return self.rating - self.scale.min > self.scale.max - self.rating

    @property
    def below_the_middle(self):
        return self.rating - self.scale.min < self.scale.max - self.rating

    @property
    def knocks_out(self):
        return self.question.if_missed == "no_fit"


def states(question_set, answers, attributes, as_of):
    attributes = readable(question_set, attributes)
    return [
        question_state(question_set.scale, step, question, answers.get(question.key), attributes, as_of)
        for step in question_set.steps
        for question in step.questions
        if applies(question, attributes)
    ]


def inapplicable(question_set, attributes):
    questions = [question for step in question_set.steps for question in step.questions]
    known = readable(question_set, attributes)
    return [question.key for question in questions if not applies(question, known)]


def plain(value):
    """A text as it is compared: five characters gone from its ends, and 26 letters small."""
    if not isinstance(value, str):
        return value
    inside = value.strip("".join(map(chr, (9, 10, 13, 32, 160))))
    return "".join(chr(ord(c) + 32) if 65 <= ord(c) <= 90 else c for c in inside)


def readable(question_set, attributes):
    """The declared attributes that say something of their type, texts as they are compared."""
    types = {"number": (int, float), "text": (str,), "boolean": (bool,)}
    return {
        name: plain(value)
        for name, value in attributes.items()
        if plain(value) not in (None, "") and type(value) in types[question_set.attributes[name]]
    }


def question_state(scale, step, question, answer, attributes, as_of):
    state = answer.state if answer is not None else "open"
    last = expiry(question, answer, as_of) if state in ("rated", "not_applicable") else None
    stale = last is not None and as_of >= last
    if state == "rated" and not stale:
        return QuestionState(
            scale, step, question, "rated", answer.rating, "person", answer.evidence, valid_until=last
        )
    if state == "not_applicable" and not stale:
        return QuestionState(scale, step, question, "not_applicable", valid_until=last)
    by_rule = rule_rating(question.rate_from, attributes)
    if by_rule is not None:
        return QuestionState(scale, step, question, "rated", by_rule, "rule", stale=stale)
    unknown = state == "unknown"
    return QuestionState(
        scale, step, question, "open", ask_again=unknown or stale, stale=stale, unknown=unknown
    )


def expiry(question, answer, as_of):
    """When an answer is too old; one without a time was given this moment."""
    days = question.stale_after_days
    return None if days is None else (answer.answered_at or as_of) + timedelta(days=days)


OPERATORS = {
    "equals": lambda value, wanted: value == wanted,
    "in": lambda value, wanted: value in wanted,
    "not_in": lambda value, wanted: value not in wanted,
    "at_least": lambda value, wanted: value >= wanted,
    "below": lambda value, wanted: value < wanted,
    "exists": lambda _, wanted: wanted,
}


def applies(question, attributes):
    wanted = [
        (attributes.get(name), operator, [*map(plain, operand)] if type(operand) is list else plain(operand))
        for name, condition in question.ask_when.items()
        for operator, operand in condition.model_dump(by_alias=True, exclude_none=True).items()
    ]
    return all(holds(*one) for one in wanted)


def holds(value, operator, operand):
    if value is None:
        return operator == "exists" and operand is False
    return OPERATORS[operator](value, operand)


def rule_rating(rule, attributes):
    if rule is None or (value := attributes.get(rule.attribute)) is None:
        return None
    for band in rule.bands or []:
        if band.below is None or value < band.below:
            return band.rating
    given = {plain(wanted.equals): wanted.rating for wanted in rule.values or []}
    return given.get(value, rule.otherwise)
