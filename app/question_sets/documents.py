"""Question sets as their authors write them: whole, or as a variant of another set."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from app.scoring import Flaw, Flawed, QuestionSet, pointer, read_question_set, shape_flaws
from app.scoring.question_set import (
    AttributeType,
    Condition,
    Dimension,
    Grade,
    IfMissed,
    Label,
    Name,
    Part,
    Priority,
    Question,
    RateFrom,
    RatingText,
    SetKey,
    StaleAfterDays,
    Text,
    Thresholds,
    Title,
    VersionName,
    Weight,
)

# Not to be written down: where a set needs a value, a null is refused like any wrong one.
Omittable = SkipJsonSchema[None]
# The set that "key@n" names; None if there is none.
FindBase = Callable[[str], QuestionSet | None]
# What was published before under a name, "key@n".
NamedSet = tuple[str, QuestionSet]


class AddedQuestion(Part):
    """A question to add, and its place: before or after another one, or else last in a step.

    The question that gives the place may be omitted itself: then this one takes its place.
    """

    question: Question
    step: Name | None = None
    before: Name | None = None
    after: Name | None = None


class QuestionChange(Part):
    """The fields of a question to change; a null takes an optional one away."""

    label: Label | Omittable = None
    text: Text | Omittable = None
    guidance: Text | None = None
    weight: Weight | Omittable = None
    anchors: list[RatingText] | Omittable = None
    must_reach: int | None = None
    if_missed: IfMissed | Omittable = None
    ask_when: dict[Name, Condition] | Omittable = None
    rate_from: RateFrom | None = None
    stale_after_days: StaleAfterDays | None = None


class Variant(Part):
    """A set made from another: `extends` names the version, and what is not said here is as there.

    `for` and `priority` are not taken over from another set. Attributes are added to those there.
    """

    key: SetKey
    extends: VersionName
    title: Title | Omittable = None
    description: Annotated[str, Field(max_length=4000)] | Omittable = None
    dimensions: Annotated[list[Dimension], Field(min_length=1, max_length=50)] | Omittable = None
    thresholds: Thresholds | None = None
    grades: list[Grade] | Omittable = None
    attributes: dict[Name, AttributeType] = {}
    for_: Annotated[dict[Name, Condition] | None, Field(alias="for", min_length=1)] = None
    priority: Priority | None = None
    omit: Annotated[list[Name], Field(max_length=500, description="keys of questions to leave out")] = []
    add: Annotated[list[AddedQuestion], Field(max_length=500)] = []
    change: Annotated[
        dict[Name, QuestionChange],
        Field(max_length=500, description="what is different, by question key"),
    ] = {}


Steps = list[dict[str, Any]]
VARIANT_FIELDS = {"omit", "add", "change"}
# They would be true of two sets, and nobody could choose between them.
NOT_INHERITED = {"for", "priority"}


def is_variant(document: Mapping[str, Any]) -> bool:
    """Whether a document tells a set by what differs; one with `steps` is told whole."""
    return "extends" in document and "steps" not in document


def read_variant(document: Mapping[str, Any], base: QuestionSet) -> QuestionSet:
    """The whole set that a variant of `base` is; raises `Flawed` with pointers into the document."""
    try:
        variant = Variant.model_validate(document)
    except ValidationError as error:
        raise Flawed(shape_flaws(error, document)) from None
    definition = base.canonical()
    steps: Steps = definition["steps"]
    taken = {question["key"] for step in steps for question in step["questions"]}
    flaws = [*_change(steps, variant), *_add(steps, variant, taken), *_omit(steps, variant)]
    if flaws:
        raise Flawed(flaws)
    said = variant.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=VARIANT_FIELDS)
    own = variant.key == base.key
    whole = {
        **{name: definition[name] for name in definition if own or name not in NOT_INHERITED},
        **said,
        "attributes": {**definition["attributes"], **variant.attributes},
        "steps": [step for step in steps if step["questions"]],
    }
    try:
        question_set = read_question_set(whole)
    except Flawed as error:
        raise Flawed([in_the_variant(flaw, whole, document) for flaw in error.flaws]) from None
    return question_set


def _change(steps: Steps, variant: Variant) -> Iterator[Flaw]:
    known = {question["key"]: question for step in steps for question in step["questions"]}
    for key, change in variant.change.items():
        if key not in known:
            yield _no_such_question(variant, "change", key)
            continue
        known[key].update(change.model_dump(mode="json", by_alias=True, exclude_unset=True))


def _add(steps: Steps, variant: Variant, taken: Collection[str]) -> Iterator[Flaw]:
    for index, added in enumerate(variant.add):
        if added.question.key in taken:
            detail = f"{variant.extends} has a question of that key: change it, or add one of a new key"
            yield Flaw(pointer("add", index, "question", "key"), detail, "changed_meaning")
            continue
        places = [name for name in ("step", "before", "after") if getattr(added, name) is not None]
        if len(places) != 1:
            detail = "say where: one of step, before and after"
            yield Flaw(pointer("add", index), detail)
            continue
        place, key = places[0], getattr(added, places[0])
        found = _place(steps, place, key)
        if found is None:
            yield _no_such_question(variant, "add", index, place)
            continue
        questions, position = found
        questions.insert(position, added.question.model_dump(mode="json", by_alias=True, exclude_none=True))


def _place(steps: Steps, place: str, key: str) -> tuple[list[Any], int] | None:
    """The questions to insert among, and the position; None if there is no such step or question."""
    for step in steps:
        questions = step["questions"]
        if place == "step":
            if step["key"] == key:
                return questions, len(questions)
            continue
        for position, question in enumerate(questions):
            if question["key"] == key:
                return questions, position + (place == "after")
    return None


def _omit(steps: Steps, variant: Variant) -> Iterator[Flaw]:
    for index, key in enumerate(variant.omit):
        found = _place(steps, "before", key)
        if found is None:
            yield _no_such_question(variant, "omit", index)
        elif key in variant.change:
            yield Flaw(pointer("change", key), "it is omitted too: do one or the other")
        else:
            questions, position = found
            del questions[position]


def _no_such_question(variant: Variant, *place: str | int) -> Flaw:
    what = "step" if place[-1] == "step" else "question"
    return Flaw(pointer(*place), f"{variant.extends} has no {what} of that key", f"unknown_{what}")


def in_the_variant(flaw: Flaw, whole: Mapping[str, Any], variant: Mapping[str, Any]) -> Flaw:
    """A flaw of the whole definition, at the place in the variant's document that it comes from."""
    top, *parts = flaw.pointer.split("/")[1:] or [""]
    if top != "steps":
        return flaw if top in variant else _inherited(flaw)
    if len(parts) < 3:
        return Flaw("/omit", flaw.detail, flaw.kind) if variant.get("omit") else _inherited(flaw)
    key = whole["steps"][int(parts[0])]["questions"][int(parts[2])]["key"]
    rest = "".join(f"/{part}" for part in parts[3:])
    for index, added in enumerate(variant.get("add", ())):
        if added["question"]["key"] == key:
            return Flaw(pointer("add", index, "question") + rest, flaw.detail, flaw.kind)
    if key in variant.get("change", ()):
        return Flaw(pointer("change", key) + rest, flaw.detail, flaw.kind)
    return _inherited(Flaw(flaw.pointer, f"{key}: {flaw.detail}", flaw.kind))


def _inherited(flaw: Flaw) -> Flaw:
    return Flaw("/extends", f"{flaw.pointer} as taken over from there: {flaw.detail}", flaw.kind)


def changed_meanings(now: QuestionSet, name: str, before: QuestionSet) -> Iterator[Flaw]:
    """What is wrong with `now` beside `before`, the version `name` that it follows or was made from.

    A question that both have is of the same dimension and on the same scale.
    """
    dimensions = {question.key: question.dimension for step in before.steps for question in step.questions}
    kept = False
    for i, step in enumerate(now.steps):
        for j, question in enumerate(step.questions):
            dimension = dimensions.get(question.key, question.dimension)
            kept = kept or question.key in dimensions
            if dimension != question.dimension:
                yield Flaw(
                    pointer("steps", i, "questions", j, "dimension"),
                    f"in {name} '{question.key}' is a question on {dimension}: give this one a new key",
                    "changed_meaning",
                )
    then, since = before.scale, now.scale
    if kept and (then.min, then.max) != (since.min, since.max):
        yield Flaw(
            "/scale",
            f"in {name} questions of these keys are rated {then.min} to {then.max}: "
            "keep that scale, or give them new keys",
            "changed_meaning",
        )


def read_document(data: Any, find_base: FindBase, earlier: Iterable[NamedSet] = ()) -> QuestionSet:
    """The whole set that a document tells; raises `Flawed` with pointers into the document.

    `earlier` are the versions that it would follow.
    """
    # A version that was made from none tells it as null.
    if not isinstance(data, Mapping) or data.get("extends") is None:
        return _check_meanings(earlier, read_question_set(data), None)
    name = data["extends"]
    base = find_base(name) if isinstance(name, str) else None
    if base is None:
        detail = "no such version is known: name one as key@version, and publish it before"
        raise Flawed([Flaw("/extends", detail, "unknown_question_set")])
    if is_variant(data):
        return _check_meanings(earlier, read_variant(data, base), data)
    return _check_meanings([(name, base), *earlier], read_question_set(data), None)


def _check_meanings(
    earlier: Iterable[NamedSet], now: QuestionSet, variant: Mapping[str, Any] | None
) -> QuestionSet:
    """The set, unless one of its questions had another meaning earlier."""
    flaws = [flaw for name, before in earlier for flaw in changed_meanings(now, name, before)]
    if flaws:
        raise Flawed([in_the_variant(flaw, now.canonical(), variant) for flaw in flaws] if variant else flaws)
    return now
