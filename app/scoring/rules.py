"""Reads a definition and checks the rules between the parts of a question set."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from app.scoring.flaws import Flaw, Flawed, UnknownName, pointer, with_hints
from app.scoring.question_set import (
    AttributeType,
    Condition,
    Question,
    QuestionSet,
    RateFrom,
    RatingText,
    Scale,
    Value,
)
from app.scoring.repair import Place, repair
from app.scoring.texts import folded, is_blank
from app.scoring.unknown_places import UnknownPlaces

T = TypeVar("T")

# 100·D·Σw, the largest integer of a score, has to stay below this: it has 32 bits in every SQL engine.
TOTAL_LIMIT = 2**31
# Other requests wait while a score is computed.
MAX_QUESTIONS = 2000
MAX_KNOCK_OUTS = 50
NO_SUCH_DIMENSION = "no dimension of this set has that key"
# The keys that other addresses have in the place of a set's key: POST /v1/qualify/batch.
RESERVED_SET_KEYS = {"batch"}
# Field names of a flat form.
RESERVED = frozenset(
    {"source", "external_id", "name", "deal", "assessor", "decision", "outcome", "actor"}
    | {"question_set", "carry_over", "idempotency_key", "not_applicable", "unknown"}
    | {"decision_reason", "outcome_amount", "outcome_currency", "outcome_closed_on", "outcome_reason"}
    | {"outcome_competitor", "opened_on", "answered_at", "decision_revisit_on"}
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A definition with its flaws. `question_set` is the set, or as much of it as can be understood, or None.

    About `unknown` places nothing is known: their values are missing or wrong, and were filled in.
    """

    question_set: QuestionSet | None
    flaws: tuple[Flaw, ...]
    unknown: frozenset[Place] = frozenset()

    def required(self) -> QuestionSet:
        """The set; raises `Flawed` if there are flaws."""
        if self.flaws or self.question_set is None:
            raise Flawed(with_hints(self.flaws))
        return self.question_set


def read_question_set(data: Any) -> QuestionSet:
    """The question set of a definition, given as JSON values; raises `Flawed` with all flaws."""
    return check_question_set(data).required()


def check_question_set(data: Any, unknown: Collection[Place] = ()) -> Checked:
    """The question set of a definition, given as JSON values, with all flaws that can be known.

    If the shape of a part is wrong, the rules about other parts are checked too. Nothing is known about the
    places in `unknown` either.
    """
    repaired = repair(QuestionSet, data)
    question_set, places = repaired.model, repaired.places.union(unknown)
    if question_set is None:
        return Checked(None, tuple(repaired.flaws), places)
    allowed = UnknownPlaces(places).allow
    broken = [
        Flaw(pointer(*place), detail)
        for place, detail in _broken_rules(question_set)
        if allowed(question_set, place)
    ]
    return Checked(question_set, (*repaired.flaws, *broken), places)


def _broken_rules(qs: QuestionSet) -> Iterator[tuple[Place, str]]:
    if sum(len(step.questions) for step in qs.steps) > MAX_QUESTIONS:
        yield ("steps",), f"a set has at most {MAX_QUESTIONS} questions: take some away"
        return
    questions = [question for step in qs.steps for question in step.questions]
    if sum(q.must_reach is not None and q.if_missed == "no_fit" for q in questions) > MAX_KNOCK_OUTS:
        yield ("steps",), f"a set has at most {MAX_KNOCK_OUTS} knock-outs: let some be if_missed: mixed"
    if qs.key in RESERVED_SET_KEYS:
        yield ("key",), f"'{qs.key}' is a part of an address of the API: choose another key"
    yield from _names(qs)
    yield from _scale(qs.scale)
    yield from _combining(qs)
    yield from _cuts(qs)
    yield from _portfolio(qs)
    yield from _choice(qs)
    for step_place, step in _numbered(("steps",), qs.steps):
        for place, question in _numbered((*step_place, "questions"), step.questions):
            yield from _question(qs, question, place)
            if step.gated and question.must_reach is not None:
                yield (*place, "must_reach"), "a gated step is not scored: take must_reach away"


def _numbered(at: Place, items: Sequence[T]) -> Iterator[tuple[Place, T]]:
    for index, item in enumerate(items):
        yield (*at, index), item


def _names(qs: QuestionSet) -> Iterator[tuple[Place, str]]:
    """Keys are unique; questions and attributes share one namespace."""
    dimensions = [((*at, "key"), d.key) for at, d in _numbered(("dimensions",), qs.dimensions)]
    steps = [((*at, "key"), step.key) for at, step in _numbered(("steps",), qs.steps)]
    columns: list[tuple[Place, str]] = [(("attributes", name), name) for name in qs.attributes]
    for at, step in _numbered(("steps",), qs.steps):
        columns += [((*place, "key"), q.key) for place, q in _numbered((*at, "questions"), step.questions)]
    for named in (dimensions, steps, columns):
        yield from _repeated(named)
    for place, name in columns:
        if name in RESERVED:
            yield place, f"'{name}' is the name of a field next to the answers: choose another"


def _repeated(named: Iterable[tuple[Place, Any]]) -> Iterator[tuple[Place, str]]:
    seen: Counter[Any] = Counter()
    for place, name in named:
        seen[name] += 1
        if seen[name] == 2:
            yield place, f"'{name}' is used twice: each may be used once"


def _values(compared: Iterable[tuple[Place, Value]]) -> Iterator[tuple[Place, str]]:
    """Values to compare an attribute with: none is blank, and no two are equal after folding."""
    seen: set[Value] = set()
    for place, value in compared:
        if is_blank(value):
            yield place, "an empty text is an absent attribute: say exists: false for that"
        elif folded(value) in seen:
            why = ": case and blanks at the ends make no difference" if isinstance(value, str) else ""
            yield place, f"'{value}' is there already{why}"
        seen.add(folded(value))


def _scale(scale: Scale) -> Iterator[tuple[Place, str]]:
    if scale.min >= scale.max:
        yield ("scale", "max"), "max must be greater than min"
    yield from _ratings(scale, scale.labels, ("scale", "labels"))


def _ratings(scale: Scale, texts: list[RatingText], at: Place) -> Iterator[tuple[Place, str]]:
    rated = [((*place, "rating"), text.rating) for place, text in _numbered(at, texts)]
    yield from _repeated(rated)
    for place, rating in rated:
        yield from _on_scale(scale, rating, place)


def _on_scale(scale: Scale, rating: int | None, at: Place) -> Iterator[tuple[Place, str]]:
    if rating is not None and not scale.min <= rating <= scale.max:
        yield at, f"a rating is from {scale.min} to {scale.max}"


def _combining(qs: QuestionSet) -> Iterator[tuple[Place, str]]:
    if qs.combine == "reciprocal" and len(qs.dimensions) != 2:
        yield ("dimensions",), "a reciprocal set has exactly two dimensions, its sides"
    weights: Counter[str] = Counter()
    for step in qs.steps:
        if not step.gated:
            for question in step.questions:
                weights[question.dimension] += question.weight
    axes = {qs.portfolio.x, qs.portfolio.y} if qs.portfolio else set()
    for place, dimension in _numbered(("dimensions",), qs.dimensions):
        if weights[dimension.key] == 0 and (qs.combine == "reciprocal" or dimension.key in axes):
            needed_by = "a side" if qs.combine == "reciprocal" else "an axis of the portfolio"
            yield place, f"{needed_by} needs a question with a weight in a step that is not gated"
    if qs.combine == "weighted" and weights.total() == 0:
        yield ("steps",), "a set needs a question with a weight in a step that is not gated"
    if 100 * (qs.scale.max - qs.scale.min) * weights.total() >= TOTAL_LIMIT:
        yield ("steps",), "100 × (max - min) × the sum of weights must stay under 2³¹"


def _cuts(qs: QuestionSet) -> Iterator[tuple[Place, str]]:
    if qs.thresholds and qs.thresholds.no_fit_below > qs.thresholds.fit_at:
        yield ("thresholds", "no_fit_below"), "no_fit_below must not be greater than fit_at"
    cuts = [grade.at for grade in qs.grades]
    if cuts and (cuts != sorted(set(cuts), reverse=True) or cuts[-1] != 0):
        yield ("grades",), "list the grades from the best down, each cut once, the last at 0"
    if cuts and qs.thresholds:
        for name, at in (("fit_at", qs.thresholds.fit_at), ("no_fit_below", qs.thresholds.no_fit_below)):
            if at not in cuts:
                yield ("grades",), f"start a grade at {at}, the threshold {name}"
    yield from _repeated(
        ((*place, "grade"), grade.grade) for place, grade in _numbered(("grades",), qs.grades)
    )


def _portfolio(qs: QuestionSet) -> Iterator[tuple[Place, str]]:
    if qs.portfolio is None:
        return
    dimensions = [dimension.key for dimension in qs.dimensions]
    for axis, dimension in (("x", qs.portfolio.x), ("y", qs.portfolio.y)):
        if dimension not in dimensions:
            yield ("portfolio", axis), UnknownName(NO_SUCH_DIMENSION, dimension, dimensions)
    if qs.portfolio.x == qs.portfolio.y:
        yield ("portfolio", "y"), "x and y are the same dimension: name two different ones"


def _choice(qs: QuestionSet) -> Iterator[tuple[Place, str]]:
    for name, condition in (qs.for_ or {}).items():
        yield from _condition(qs, name, condition, ("for", name))
    if qs.for_ and qs.subject != "prospect":
        yield ("for",), "only a set whose subject is prospect is chosen for prospects"
    if qs.priority is not None and not qs.for_:
        yield ("priority",), "goes with for: say for which prospects the set is meant"


def _question(qs: QuestionSet, question: Question, at: Place) -> Iterator[tuple[Place, str]]:
    dimensions = [dimension.key for dimension in qs.dimensions]
    if question.dimension not in dimensions:
        yield (*at, "dimension"), UnknownName(NO_SUCH_DIMENSION, question.dimension, dimensions)
    yield from _ratings(qs.scale, question.anchors, (*at, "anchors"))
    if question.must_reach is not None:
        if not (qs.scale.min < question.must_reach <= qs.scale.max):
            yield (*at, "must_reach"), f"must be from {qs.scale.min + 1} to {qs.scale.max}"
        if qs.thresholds is None:
            yield (*at, "must_reach"), "bars a fit, which takes thresholds: add them, or take must_reach away"
    for name, condition in question.ask_when.items():
        yield from _condition(qs, name, condition, (*at, "ask_when", name))
    if question.rate_from:
        yield from _rate_from(qs, question.rate_from, (*at, "rate_from"))


def _undeclared(qs: QuestionSet, name: str) -> str:
    return UnknownName("no attribute of that name is declared under attributes", name, qs.attributes)


def _condition(qs: QuestionSet, name: str, condition: Condition, at: Place) -> Iterator[tuple[Place, str]]:
    declared = qs.attributes.get(name)
    if declared is None:
        yield at, _undeclared(qs, name)
        return
    if condition == Condition():  # null says nothing, as in the canonical form
        yield at, "say what must hold: equals, in, not_in, at_least, below or exists"
    compared: list[tuple[str, Value | None]] = [("equals", condition.equals)]
    compared += [("in", value) for value in condition.in_ or []]
    compared += [("not_in", value) for value in condition.not_in or []]
    for operator, value in compared:
        if value is not None and not is_a(declared, value):
            yield (*at, operator), f"the attribute is a {declared}: compare it with one"
    for operator in ("equals", "in", "not_in"):
        values = [value for used, value in compared if used == operator and value is not None]
        yield from _values(((*at, operator), value) for value in values)
    if declared != "number" and not (condition.at_least is None and condition.below is None):
        yield at, f"at_least and below compare numbers, and the attribute is a {declared}"


def is_a(declared: AttributeType, value: Value) -> bool:
    """Whether a value has the declared type; a boolean is not a number."""
    if declared == "boolean":
        return isinstance(value, bool)
    if declared == "text":
        return isinstance(value, str)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rate_from(qs: QuestionSet, rule: RateFrom, at: Place) -> Iterator[tuple[Place, str]]:
    declared = qs.attributes.get(rule.attribute)
    if declared is None:
        yield (*at, "attribute"), _undeclared(qs, rule.attribute)
    if (rule.bands is None) == (rule.values is None):
        yield at, "give either bands or values"
    yield from _bands(declared, rule, at)
    for place, value in _numbered((*at, "values"), rule.values or []):
        if declared and not is_a(declared, value.equals):
            yield (*place, "equals"), f"the attribute is a {declared}: values need that type"
    yield from _values(
        ((*place, "equals"), value.equals) for place, value in _numbered((*at, "values"), rule.values or [])
    )
    for key in ("bands", "values"):
        for place, rated in _numbered((*at, key), getattr(rule, key) or []):
            yield from _on_scale(qs.scale, rated.rating, (*place, "rating"))
    yield from _on_scale(qs.scale, rule.otherwise, (*at, "otherwise"))


def _bands(declared: AttributeType | None, rule: RateFrom, at: Place) -> Iterator[tuple[Place, str]]:
    if rule.bands is None:
        return
    if declared not in (None, "number"):
        yield (*at, "bands"), f"bands need a number, and the attribute is a {declared}"
    if rule.otherwise is not None:
        yield (*at, "otherwise"), "goes with values; the last band is what is left of a number"
    bounds = [band.below for band in rule.bands[:-1]]
    if rule.bands[-1].below is not None:
        yield (*at, "bands", len(bounds)), "the last band has no below: it takes what is left"
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds) or any(low >= high for low, high in pairwise(known)):
        yield (*at, "bands"), "every band but the last has a below, each greater than the one before"
