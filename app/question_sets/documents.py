"""Read and describe documents: question sets as authors write them, whole or as variants."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import DictSchema, WithDefaultSchema

from app.question_sets.variants.schemas import Variant
from app.question_sets.variants.service import (
    check_variant,
    check_without_base,
    is_inside,
    is_variant,
    locate_in_variant,
)
from app.scoring import (
    Checked,
    Flaw,
    Place,
    QuestionSet,
    check_question_set,
    pointer,
)

SCHEMA_FILE_NAME = "question-set.schema.json"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
UNKNOWN_BASE = "unknown_question_set"
# Returns the set with the name "key@n", or None if there is none.
FindBase = Callable[[str], QuestionSet | None]
# A published set and its name, "key@n".
NamedSet = tuple[str, QuestionSet]


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
        return _with_unknown_base(check_without_base(data) if is_variant(data) else check_question_set(data))
    if not is_variant(data):
        return _with_changed_meanings(check_question_set(data), [(name, base), *earlier], None)
    checked, variant = check_variant(data, base, base_unknown)
    return _with_changed_meanings(checked, earlier, variant)


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
    flaws = [flaw for flaw in flaws if not is_inside(flaw.pointer, checked.unknown)]
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
