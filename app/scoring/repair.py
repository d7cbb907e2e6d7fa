"""Check the shape of a document, and fill in what is wrong, so that the rest can be checked too."""

import re
from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from app.scoring.flaws import (
    SECONDARY_ERRORS,
    Flaw,
    closest,
    place_in,
    pointer,
    shape_flaw,
    unknown_field,
)

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]

# A wrong value is removed first, and then what is missing is filled in. A part in a list may need both.
MAX_ROUNDS = 4
# Documents with more errors than this are not repaired: their authors have enough to correct.
MAX_REPAIRS = 500
# On no scale, so that it is not equal to any other rating.
FAR_RATING = 10**6
FILLED_IN = re.compile("filled[0-9]+in")


@dataclass(frozen=True, slots=True)
class Repaired(Generic[Model]):
    """A document without its errors of shape.

    `model` and `document` are the document as it was repaired, and None if that was not possible. `places`
    are those whose values are missing or were filled in, so that nothing is known about them.
    """

    flaws: list[Flaw]
    model: Model | None = None
    document: Any = None
    places: frozenset[Place] = frozenset()


def repair(model: type[Model], data: Any) -> Repaired[Model]:
    """Return a document with the errors of its shape, and repaired as far as possible."""
    try:
        return Repaired([], model.model_validate(data), data)
    except ValidationError as error:
        errors = _errors_of(error)
    flaws = [_shape_flaw(model, one, data) for one in errors]
    if len(errors) > MAX_REPAIRS:
        return Repaired(flaws)
    document, numbers = deepcopy(data), count()
    places = set(_misspelt(model, errors, data))
    for _ in range(MAX_ROUNDS):
        repairs = {_place_of(one, document): one for one in errors}
        if () in repairs:
            break
        # Deeper places come first, because their parents may be removed.
        for place in sorted(repairs, key=len, reverse=True):
            _repair(document, place, repairs[place], next(numbers))
        places |= {place for place, one in repairs.items() if one["type"] != "extra_forbidden"}
        try:
            return Repaired(flaws, model.model_validate(document), document, frozenset(places))
        except ValidationError as error:
            errors = _errors_of(error)
    return Repaired(flaws)


def is_filled_in(key: str) -> bool:
    """Return whether a key was filled in, so that the real one is not known."""
    return FILLED_IN.fullmatch(key) is not None


def _errors_of(error: ValidationError) -> list[Any]:
    return [
        one
        for one in error.errors(include_input=False, include_url=False)
        if one["type"] not in SECONDARY_ERRORS
    ]


def _place_of(error: Mapping[str, Any], document: Any) -> Place:
    return tuple(place_in(document, error["loc"], missing=error["type"] == "missing"))


def _shape_flaw(model: type[BaseModel], error: Mapping[str, Any], data: Any) -> Flaw:
    if error["type"] != "extra_forbidden":
        return shape_flaw(error, error["loc"], data)
    *parent, name = place_in(data, error["loc"])
    return unknown_field(pointer(*parent, name), str(name), _fields_at(model, parent))


def _misspelt(model: type[BaseModel], errors: Collection[Mapping[str, Any]], data: Any) -> Iterator[Place]:
    """Yield the places of the fields that unknown fields probably mean."""
    for error in errors:
        if error["type"] == "extra_forbidden":
            *parent, name = place_in(data, error["loc"])
            meant = closest(str(name), _fields_at(model, parent))
            if meant and (*parent, meant) != tuple(place_in(data, (*parent, meant))):
                yield (*parent, meant)


def _fields_at(model: type[BaseModel], place: Collection[str | int]) -> list[str]:
    """Return the names of the fields of the object at a place."""
    found: Any = model
    for part in place:
        found = next((inner for option in _options(found) if (inner := _inside(option, part))), None)
    return [
        field.alias or name
        for option in _options(found)
        if isinstance(option, type) and issubclass(option, BaseModel)
        for name, field in option.model_fields.items()
    ]


def _options(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation allows."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    else:
        yield annotation


def _inside(annotation: Any, part: str | int) -> Any:
    """Return the annotation of a part of a list, a map or a model; None if there is none."""
    if get_origin(annotation) in (list, dict):
        return get_args(annotation)[-1]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return fields.get(str(part))
    return None


def _repair(document: Any, place: Place, error: Mapping[str, Any], number: int) -> None:
    *parents, last = place
    for part in parents:
        document = document[part]
    if error["type"] == "missing":
        document[last] = _filling(str(last), number)
    elif error["type"] == "too_long" and isinstance(document[last], list):
        del document[last][error["ctx"]["max_length"] :]
    elif isinstance(last, int):
        name = next(str(part) for part in reversed(parents) if isinstance(part, str))
        document[last] = _item(name, number)
    else:
        del document[last]


def _filling(field: str, number: int) -> Any:
    """Return a valid value for a required field, different for each number."""
    item = _item(field, number)
    if item is not None:
        return [item]
    special = {"combine": "weighted", "rating": FAR_RATING + number, "at": 0, "fit_at": 100}
    special |= {"no_fit_below": 1, "extends": "filled-in@1", "cut_at": 50}
    special["advice"] = dict.fromkeys(("high_high", "high_low", "low_high", "low_low"), _word(number))
    return special.get(field, _question(number) if field == "question" else _word(number))


def _item(field: str, number: int) -> Any:
    """Return a valid item for a list with this name; None if no list has it."""
    word = _word(number)
    rated = {"rating": FAR_RATING + number, "text": word}
    items: dict[str, Any] = {
        "dimensions": {"key": word, "title": word},
        "steps": {"key": word, "title": word, "questions": [_question(number)]},
        "questions": _question(number),
        "labels": rated,
        "anchors": rated,
        "grades": {"at": 0, "grade": word},
        "bands": {"rating": FAR_RATING + number},
        "values": {"equals": word, "rating": FAR_RATING + number},
        "in": word,
        "not_in": word,
        "omit": word,
        "add": {"question": _question(number), "step": word},
    }
    return items.get(field)


def _question(number: int) -> dict[str, Any]:
    return {"key": _word(number), "text": _word(number), "dimension": _word(number)}


def _word(number: int) -> str:
    return f"filled{number}in"
