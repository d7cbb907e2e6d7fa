"""Read question sets as authors write them: whole, or as a variant of another set; and describe them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema, SkipJsonSchema, models_json_schema
from pydantic_core.core_schema import DictSchema, WithDefaultSchema

from app.scoring import (
    FURTHER_QUESTIONS,
    Checked,
    Flaw,
    Place,
    QuestionSet,
    Repaired,
    UnknownName,
    check_question_set,
    pointer,
    repair,
)
from app.scoring.question_set import (
    AttributeType,
    Condition,
    Dimension,
    Grade,
    IfMissed,
    Label,
    Name,
    Part,
    Portfolio,
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

SCHEMA_FILE_NAME = "question-set.schema.json"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# The JSON Schema does not offer null for these fields: a set needs a value there, so reading refuses a null.
Omittable = SkipJsonSchema[None]
# Returns the set with the name "key@n", or None if there is none.
FindBase = Callable[[str], QuestionSet | None]
# A published set and its name, "key@n".
NamedSet = tuple[str, QuestionSet]


class AddedQuestion(Part):
    """A question to add, and its place: before or after another question, or last in a step.

    The other question can also be omitted by the variant: then the added question takes its place.
    """

    question: Question
    step: Name | None = None
    before: Name | None = None
    after: Name | None = None


class QuestionChange(Part):
    """The fields of a question to change. A null removes an optional field."""

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
    """A set based on the version that `extends` names. Fields that are missing here are inherited from it.

    `for` and `priority` are not inherited from another set. Attributes are added to the inherited ones.
    """

    key: SetKey
    extends: VersionName
    title: Title | Omittable = None
    description: Annotated[str, Field(max_length=4000)] | Omittable = None
    dimensions: Annotated[list[Dimension], Field(min_length=1, max_length=50)] | Omittable = None
    thresholds: Thresholds | None = None
    grades: list[Grade] | Omittable = None
    portfolio: Portfolio | None = None
    attributes: dict[Name, AttributeType] = {}
    for_: Annotated[dict[Name, Condition] | None, Field(alias="for", min_length=1)] = None
    priority: Priority | None = None
    omit: Annotated[list[Name], Field(max_length=500, description="keys of questions to leave out")] = []
    add: Annotated[list[AddedQuestion], Field(max_length=500)] = []
    change: Annotated[
        dict[Name, QuestionChange],
        Field(max_length=500, description="changes to questions, by question key"),
    ] = {}


Steps = list[dict[str, Any]]
VARIANT_FIELDS = {"omit", "add", "change"}
# If inherited, they would apply to two sets equally, and the service could not choose between them.
NOT_INHERITED = {"for", "priority"}
# The kinds of flaws that say that a document names what does not exist.
UNKNOWN_KEYS = ("unknown_question", "unknown_step")
UNKNOWN_BASE = "unknown_question_set"


def is_variant(document: Mapping[str, Any]) -> bool:
    """Return whether a document is a variant; a document with `steps` describes a whole set."""
    return "extends" in document and "steps" not in document


def _check_variant(
    document: Mapping[str, Any], base: QuestionSet, base_unknown: Iterable[Place]
) -> tuple[Checked, Mapping[str, Any]]:
    """Return the set that a variant of `base` describes, with pointers into the variant, and the variant.

    The variant is returned as it was repaired if its shape is wrong.
    """
    repaired = repair(Variant, document)
    variant = repaired.model
    if variant is None:
        return Checked(None, tuple(repaired.flaws)), document
    definition = base.canonical()
    steps: Steps = definition["steps"]
    base_keys = {question["key"] for step in steps for question in step["questions"]}
    own = [*_change(steps, variant), *_add(steps, variant, base_keys), *_omit(steps, variant)]
    own += _omitted_and_changed(variant)
    own = [flaw for flaw in own if not _is_inside(flaw.pointer, repaired.places)]
    set_fields = variant.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=VARIANT_FIELDS)
    same_key = variant.key == base.key
    whole = {
        **{name: definition[name] for name in definition if same_key or name not in NOT_INHERITED},
        **set_fields,
        "attributes": {**definition["attributes"], **variant.attributes},
        "steps": [step for step in steps if step["questions"]],
    }
    places = _places_of(whole["steps"])
    unknown = {
        *_unknown_by_variant(places, repaired),
        *_unknown_by_base(places, base, base_unknown, set_fields.keys() | NOT_INHERITED),
    }
    if own:
        unknown.add(FURTHER_QUESTIONS)
    checked = check_question_set(whole, unknown)
    located = [locate_in_variant(flaw, whole, repaired.document) for flaw in checked.flaws]
    return Checked(
        checked.question_set, (*repaired.flaws, *own, *located), checked.unknown
    ), repaired.document


def _is_inside(flaw_pointer: str, places: Iterable[Place]) -> bool:
    return any(f"{flaw_pointer}/".startswith(f"{pointer(*place)}/") for place in places)


def _places_of(steps: Steps) -> dict[str, Place]:
    """Return the place of each question, by its key."""
    return {
        question["key"]: ("steps", i, "questions", j)
        for i, step in enumerate(steps)
        for j, question in enumerate(step["questions"])
    }


def _unknown_by_variant(places: Mapping[str, Place], variant: Repaired[Variant]) -> Iterator[Place]:
    """Yield the unknown places of the whole definition that come from unknown ones in its variant.

    `places` are those of the questions in the whole definition.
    """
    for place in variant.places:
        match place:
            case ("change", str(key), *rest) if key in places:
                yield (*places[key], *rest)
            case ("add", int(index), *rest):
                key = variant.document["add"][index]["question"]["key"]
                yield (*places[key], *rest[1:]) if key in places else FURTHER_QUESTIONS
            case ("add" | "omit" | "change", *_):
                yield FURTHER_QUESTIONS
            case _:
                yield place


def _unknown_by_base(
    places: Mapping[str, Place], base: QuestionSet, unknown: Iterable[Place], replaced: Collection[str]
) -> Iterator[Place]:
    """Yield the unknown places of the whole definition that come from unknown ones in its base.

    `replaced` are the fields of the set that do not come from the base.
    """
    for place in unknown:
        match place:
            case ("steps", int(i), "questions", int(j), *rest):
                key = base.steps[i].questions[j].key
                yield (*places[key], *rest) if key in places else FURTHER_QUESTIONS
            case ("steps", *_):
                yield FURTHER_QUESTIONS
            case (field, *_) if field not in replaced:
                yield place


def _change(steps: Steps, variant: Variant) -> Iterator[Flaw]:
    known = {question["key"]: question for step in steps for question in step["questions"]}
    for key, change in variant.change.items():
        if key not in known:
            yield _no_such_key(variant, key, known, "change", key)
            continue
        known[key].update(change.model_dump(mode="json", by_alias=True, exclude_unset=True))


def _add(steps: Steps, variant: Variant, base_keys: Collection[str]) -> Iterator[Flaw]:
    for index, added in enumerate(variant.add):
        if added.question.key in base_keys:
            detail = f"{variant.extends} has a question with that key: change that one, or use a new key"
            yield Flaw(pointer("add", index, "question", "key"), detail, "changed_meaning")
            continue
        places = [name for name in ("step", "before", "after") if getattr(added, name) is not None]
        found = None
        if len(places) != 1:
            detail = "give the place with exactly one of step, before and after"
            yield Flaw(pointer("add", index), detail)
        else:
            place, key = places[0], getattr(added, places[0])
            found = _place(steps, place, key)
            if found is None:
                yield _no_such_key(variant, key, _keys(steps, place), "add", index, place)
        questions, position = found or (_first_scored(steps), 0)
        questions.insert(position, added.question.model_dump(mode="json", by_alias=True, exclude_none=True))


def _first_scored(steps: Steps) -> list[Any]:
    """Return the questions of the first step that is not gated, to check a question without a place there."""
    return next((step["questions"] for step in steps if not step["gated"]), [])


def _keys(steps: Steps, place: str) -> list[str]:
    """Return the keys of the steps if `place` is "step", or else of the questions."""
    if place == "step":
        return [step["key"] for step in steps]
    return [question["key"] for step in steps for question in step["questions"]]


def _place(steps: Steps, place: str, key: str) -> tuple[list[Any], int] | None:
    """Return the list of questions and the position to insert at; None if there is no such step or question.

    `place` is "step", "before" or "after", and `key` is the key of the step or question.
    """
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
            yield _no_such_key(variant, key, _keys(steps, "before"), "omit", index)
        elif key in variant.change:
            continue  # `_omitted_and_changed` reports it
        else:
            questions, position = found
            del questions[position]


def _omitted_and_changed(variant: Variant) -> Iterator[Flaw]:
    for key in variant.omit:
        if key in variant.change:
            detail = "the variant also omits this question: either change it or omit it"
            yield Flaw(pointer("change", key), detail)


def _no_such_key(variant: Variant, key: str, known: Iterable[str], *place: str | int) -> Flaw:
    what = "step" if place[-1] == "step" else "question"
    detail = UnknownName(f"{variant.extends} has no {what} with that key", key, known)
    return Flaw(pointer(*place), detail, f"unknown_{what}")


def locate_in_variant(flaw: Flaw, whole: Mapping[str, Any], variant: Mapping[str, Any]) -> Flaw:
    """Return a flaw of the whole definition with a pointer to the place in the variant that it comes from."""
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
    return Flaw("/extends", f"{flaw.pointer}, inherited from that version: {flaw.detail}", flaw.kind)


def changed_meanings(current: QuestionSet, name: str, previous: QuestionSet) -> Iterator[Flaw]:
    """Yield a flaw for each question of a set whose meaning differs from that in an earlier version.

    `previous` is the version called `name` that `current` follows or extends. A question that both have must
    have the same dimension and the same scale.
    """
    dimensions = {question.key: question.dimension for step in previous.steps for question in step.questions}
    any_shared = False
    for i, step in enumerate(current.steps):
        for j, question in enumerate(step.questions):
            dimension = dimensions.get(question.key, question.dimension)
            any_shared = any_shared or question.key in dimensions
            if dimension != question.dimension:
                yield Flaw(
                    pointer("steps", i, "questions", j, "dimension"),
                    f"in {name}, '{question.key}' has the dimension {dimension}: use a new key",
                    "changed_meaning",
                )
    old_scale, new_scale = previous.scale, current.scale
    if any_shared and (old_scale.min, old_scale.max) != (new_scale.min, new_scale.max):
        yield Flaw(
            "/scale",
            f"in {name}, questions with the same keys are rated from {old_scale.min} to {old_scale.max}: "
            "keep that scale, or give the questions new keys",
            "changed_meaning",
        )


def read_document(data: Any, find_base: FindBase, earlier: Iterable[NamedSet] = ()) -> QuestionSet:
    """Return the whole set that a document describes; raises `Flawed` with pointers into the document.

    `earlier` are the versions that the set would follow.
    """
    return check_document(data, find_base, earlier).required()


def check_document(
    data: Any, find_base: FindBase, earlier: Iterable[NamedSet] = (), base_unknown: Iterable[Place] = ()
) -> Checked:
    """Return the whole set that a document describes, with all flaws that can be known.

    `earlier` are the versions that the set would follow. Nothing is known about the places `base_unknown` in
    the set that it extends. The pointers of the flaws lead into the document.
    """
    # The definition of a version that extends none has a null here.
    if not isinstance(data, Mapping) or data.get("extends") is None:
        return _with_changed_meanings(check_question_set(data), earlier, None)
    name = data["extends"]
    base = find_base(name) if isinstance(name, str) else None
    if base is None:
        return _with_unknown_base(_check_without_base(data))
    if not is_variant(data):
        return _with_changed_meanings(check_question_set(data), [(name, base), *earlier], None)
    checked, variant = _check_variant(data, base, base_unknown)
    return _with_changed_meanings(checked, earlier, variant)


def _check_without_base(data: Mapping[str, Any]) -> Checked:
    """Return the flaws of a document that do not depend on the version that it extends."""
    if not is_variant(data):
        return check_question_set(data)
    repaired = repair(Variant, data)
    if repaired.model is None:
        return Checked(None, tuple(repaired.flaws))
    # Without steps, every key is unknown, and what does not fit together in the variant remains.
    own = [*_add([], repaired.model, ()), *_omitted_and_changed(repaired.model)]
    own = [flaw for flaw in own if flaw.kind not in UNKNOWN_KEYS]
    return Checked(
        None, (*repaired.flaws, *(flaw for flaw in own if not _is_inside(flaw.pointer, repaired.places)))
    )


def _with_unknown_base(checked: Checked) -> Checked:
    detail = "no such version is known: name one as key@version, and publish it first"
    others = (flaw for flaw in checked.flaws if flaw.pointer != "/extends")
    return Checked(None, (Flaw("/extends", detail, UNKNOWN_BASE), *others))


def _with_changed_meanings(
    checked: Checked, earlier: Iterable[NamedSet], variant: Mapping[str, Any] | None
) -> Checked:
    """Add a flaw for each question that has another meaning in an earlier version."""
    current = checked.question_set
    if current is None:
        return checked
    flaws = [flaw for name, previous in earlier for flaw in changed_meanings(current, name, previous)]
    flaws = [flaw for flaw in flaws if not _is_inside(flaw.pointer, checked.unknown)]
    if variant:
        definition = current.canonical()
        flaws = [locate_in_variant(flaw, definition, variant) for flaw in flaws]
    return replace(checked, flaws=(*checked.flaws, *flaws))


class StrictJsonSchema(GenerateJsonSchema):
    """Generates a schema that refuses what reading refuses, and proposes nothing that reading refuses."""

    def dict_schema(self, schema: DictSchema) -> dict[str, Any]:
        """Refuse names in a map that do not match its pattern."""
        return super().dict_schema(schema) | {"additionalProperties": False}

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        """Leave out a default of null, because the field may refuse a null."""
        json_schema = super().default_schema(schema)
        return {name: value for name, value in json_schema.items() if (name, value) != ("default", None)}


def question_set_schema() -> dict[str, Any]:
    """Return the JSON Schema of a document.

    A document is a variant if it extends a set and has no steps of its own; otherwise, it is a whole set.
    """
    references, schema = models_json_schema(
        [(QuestionSet, "validation"), (Variant, "validation")],
        by_alias=True,
        schema_generator=StrictJsonSchema,
    )
    return {
        "$schema": SCHEMA_DIALECT,
        "title": "A question set of Prospect Fit, whole or as a variant of another",
        "if": {"required": ["extends"], "not": {"required": ["steps"]}},
        "then": references[Variant, "validation"],
        "else": references[QuestionSet, "validation"],
        "$defs": schema["$defs"],
    }
