"""Which rules can be checked in a definition with places about which nothing is known."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from app.scoring.question_set import QuestionSet
from app.scoring.repair import Place

# Stands for whether there are further questions.
FURTHER_QUESTIONS: Place = ("steps", "*")
SCALE: tuple[Place, ...] = (("scale", "min"), ("scale", "max"))
# What the rules about these fields of a set need. A "*" asks only whether there is such a field.
NEEDED_BY_FIELD: Mapping[str | int, tuple[Place, ...]] = {
    "scale": SCALE,
    "thresholds": (("thresholds",),),
    "for": (("subject",),),
    "priority": (("for", "*"),),
}


class UnknownPlaces:
    """The places of a definition about which nothing is known."""

    def __init__(self, places: Collection[Place]) -> None:
        self._places = frozenset(places)
        self._parents = frozenset(place[:length] for place in places for length in range(1, len(place)))

    def contain(self, place: Place) -> bool:
        """Whether a place is one of these places, or inside one."""
        return any(place[:length] in self._places for length in range(1, len(place) + 1))

    def allow(self, qs: QuestionSet, place: Place) -> bool:
        """Whether a flaw that a rule found at a place is one, whatever the unknown values are."""
        if not self._places:
            return True
        return not self.contain(place) and not any(map(self._touch, _needed(qs, place)))

    def _touch(self, place: Place) -> bool:
        return place in self._parents or self.contain(place)


def _needed(qs: QuestionSet, place: Place) -> Iterator[Place]:
    """The places whose values a rule needs that finds its flaws at this place."""
    match place:
        case ("steps", int(), "questions", int(), *rest):
            yield from _needed_in_question(qs, place, rest)
        case ("for", str(name), *_):
            yield from _needed_in_condition(qs, place, name)
        case ("steps",):
            yield from [("combine",), *SCALE, *_weights(qs)]
        case ("dimensions", *index):
            yield ("combine",)
            if index:
                yield from [(*place, "key"), *_weights(qs)]
        case ("portfolio", *_):
            yield from _dimension_keys(qs)
        case ("grades",):
            yield from [("thresholds",), *(("grades", index, "at") for index in range(len(qs.grades)))]
        case _:
            yield from NEEDED_BY_FIELD.get(place[0], ())


def _needed_in_question(qs: QuestionSet, place: Place, rest: Sequence[str | int]) -> Iterator[Place]:
    """The same for the rules about one question; `rest` is the place in the question."""
    match rest:
        case ("dimension",):
            yield from _dimension_keys(qs)
        case ("must_reach",):
            yield from [*SCALE, ("thresholds", "*"), (*place[:2], "gated")]
        case (*_, "rating"):
            yield from SCALE
        case ("ask_when", str(name), *_):
            yield from _needed_in_condition(qs, place, name)
        case ("rate_from", "otherwise"):
            yield from [*SCALE, (*place[:5], "bands")]
        case ("rate_from", *_):
            rule = qs.steps[int(place[1])].questions[int(place[3])].rate_from
            yield from [place, (*place[:5], "attribute")]
            if rule:
                yield ("attributes", rule.attribute)


def _needed_in_condition(qs: QuestionSet, place: Place, attribute: str) -> Iterator[Place]:
    yield ("attributes", attribute)
    # That an attribute is not declared does not depend on the condition.
    if attribute in qs.attributes:
        yield place


def _dimension_keys(qs: QuestionSet) -> Iterator[Place]:
    return (("dimensions", index, "key") for index in range(len(qs.dimensions)))


def _weights(qs: QuestionSet) -> Iterator[Place]:
    """What decides how much weight each dimension has, and how many knock-outs there are."""
    yield FURTHER_QUESTIONS
    for i, step in enumerate(qs.steps):
        yield ("steps", i, "gated")
        for j in range(len(step.questions)):
            for field in ("dimension", "weight", "must_reach", "if_missed"):
                yield ("steps", i, "questions", j, field)
