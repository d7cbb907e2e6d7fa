"""One random session on one random set, put together from sketches of its questions."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from app.scoring import Answer, Plan, QuestionSet, read_question_set, score
from tests.scoring.building import NOW, as_object
from tests.scoring.question_state import states
from tests.scoring.reference import Reference

ATTRIBUTES = {"employees": "number", "industry": "text", "partner": "boolean"}
GATED = "rapport"
UNRATED = {
    "absent": None,
    "unknown": Answer("unknown"),
    "open": Answer("open"),
    "not_applicable": Answer("not_applicable"),
}


@dataclass(frozen=True)
class Case:
    """One set with the answers and attributes of one session."""

    question_set: QuestionSet
    answers: dict
    attributes: dict

    def score(self, *, pursued=False):
        plan = Plan(self.question_set, "small-set@1")
        return as_object(score(plan, self.answers, self.attributes, as_of=NOW, pursued=pursued))

    @cached_property
    def expected(self):
        return Reference(self.question_set, self.states)

    @cached_property
    def states(self):
        return states(self.question_set, self.answers, self.attributes, NOW)

    @property
    def stale(self):
        return {one.question.key for one in self.states if one.stale}

    @property
    def open(self):
        """The keys of the open questions that count: those of no gated step."""
        return [one.question.key for one in self.states if one.state == "open" and not one.step.gated]

    def answering(self, answers):
        return replace(self, answers=answers)

    def knowing(self, attributes):
        return replace(self, attributes=attributes)

    def on(self, question_set):
        return replace(self, question_set=question_set)


@dataclass(frozen=True)
class Sketch:
    """One question and its answer, before the scale and the dimensions are drawn.

    A level says how far up the scale; it is taken modulo the scale's width.
    """

    dimension: int
    weight: int
    must_reach: tuple
    ask_when: dict
    rule: tuple
    step: str
    answer: tuple
    days: tuple
    evidence: str | None

    def question(self, low, high, dimensions, *, has_fit):
        if_missed, level = self.must_reach
        bars = if_missed is not None and self.step != GATED and has_fit
        return {
            "dimension": dimensions[self.dimension % len(dimensions)],
            "weight": self.weight,
            "must_reach": low + 1 + level % (high - low) if bars else None,
            "if_missed": if_missed or "no_fit",
            "ask_when": self.ask_when,
            "rate_from": self.rate_from(low, high),
            "stale_after_days": self.days[0],
        }

    def rate_from(self, low, high):
        kind, *levels = self.rule
        one, other = (low + level % (high - low + 1) for level in levels)
        if kind is None:
            return None
        if kind == "bands":
            return {"attribute": "employees", "bands": [{"below": 50, "rating": one}, {"rating": other}]}
        otherwise = {"otherwise": other} if kind == "otherwise" else {}
        return {"attribute": "industry", "values": [{"equals": "retail", "rating": one}], **otherwise}

    def given(self, low, high, mood):
        index, level = self.answer
        state = mood[index % len(mood)]
        old = self.days[1]
        answered_at = None if old is None else NOW - timedelta(days=old)
        if state in UNRATED:
            return UNRATED[state] and UNRATED[state]._replace(answered_at=answered_at)
        rating = {"best": high, "high": high - level % 2, "low": low + level % 2}
        chosen = rating.get(state, low + level % (high - low + 1))
        return Answer("rated", chosen, answered_at, self.evidence)


def assembled(*, sketches, scale, shape, thresholds, grades, order, mood, attributes):
    combine, dimensions = shape
    weighing = dimensions[: 2 if combine == "reciprocal" else 1]
    sketches = [*sketches[: -len(weighing)], *with_weights(sketches[-len(weighing) :], weighing, dimensions)]
    named = {f"q{number}": sketch for number, sketch in enumerate(sketches)}
    definition = {
        "key": "small-set",
        "title": "A small set",
        "scale": {"min": scale[0], "max": scale[1]},
        "combine": combine,
        "dimensions": [{"key": key, "title": key.title()} for key in dimensions],
        "thresholds": thresholds,
        "grades": [{"at": at, "grade": f"at {at}"} for at in starts_of(grades, thresholds)],
        "attributes": ATTRIBUTES,
        "steps": list(steps(named, order, scale, dimensions, has_fit=thresholds is not None)),
    }
    drawn = {key: sketch.given(*scale, mood) for key, sketch in named.items()}
    answers = {key: answer for key, answer in drawn.items() if answer}
    return Case(read_question_set(definition), answers, attributes)


def with_weights(sketches, weighing, dimensions):
    """The questions without which the set would not be valid: one with a weight on every side."""
    for sketch, dimension in zip(sketches, weighing, strict=True):
        step = "first" if sketch.step == GATED else sketch.step
        weight = max(1, sketch.weight)
        yield replace(sketch, dimension=dimensions.index(dimension), weight=weight, step=step)


def starts_of(grades, thresholds):
    """Where grades start: at each threshold too, if there are any grades."""
    return sorted({*grades, *(thresholds or {}).values()}, reverse=True) if grades else []


def steps(named, order, scale, dimensions, *, has_fit):
    for key in order:
        questions = [
            {"key": name, "text": f"How about {name}?"} | sketch.question(*scale, dimensions, has_fit=has_fit)
            for name, sketch in named.items()
            if sketch.step == key
        ]
        if questions:
            yield {"key": key, "title": key.title(), "gated": key == GATED, "questions": questions}
