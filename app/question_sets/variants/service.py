"""Read a variant: build the whole set that it describes, and say which places in it are wrong."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from app.question_sets.variants.schemas import Variant
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

Steps = list[dict[str, Any]]
VARIANT_FIELDS = {"omit", "add", "change"}
# If inherited, they would apply to two sets equally, and the service could not choose between them.
NOT_INHERITED = {"for", "priority"}
# The kinds of flaws that say that a document names what does not exist.
UNKNOWN_KEYS = ("unknown_question", "unknown_step")


def is_variant(document: Mapping[str, Any]) -> bool:
    """Return whether a document is a variant; a document with `steps` describes a whole set."""
    return "extends" in document and "steps" not in document


def check_variant(
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
    own = [flaw for flaw in own if not is_inside(flaw.pointer, repaired.places)]
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


def check_without_base(document: Mapping[str, Any]) -> Checked:
    """Return the flaws of a variant that do not depend on the version that it extends."""
    repaired = repair(Variant, document)
    if repaired.model is None:
        return Checked(None, tuple(repaired.flaws))
    # Without steps, every key is unknown, and what does not fit together in the variant remains.
    own = [*_add([], repaired.model, ()), *_omitted_and_changed(repaired.model)]
    own = [flaw for flaw in own if flaw.kind not in UNKNOWN_KEYS]
    return Checked(
        None, (*repaired.flaws, *(flaw for flaw in own if not is_inside(flaw.pointer, repaired.places)))
    )


def is_inside(flaw_pointer: str, places: Iterable[Place]) -> bool:
    """Return whether a pointer leads to one of these places, or into one."""
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
