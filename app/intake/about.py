"""Whom a payload is about, by the mapping that reads it."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from app.forms.form import Form, number_as_text
from app.intake.mapping import read_item, split
from app.intake.wire import Mapping
from app.prospects.wire import Link
from app.scoring import Flawed


def links_in(mapping: Mapping, payload: Any) -> Iterator[Link]:
    """Whom a payload is about, as far as it tells."""
    with suppress(Flawed):
        for item in split(mapping, payload):
            if (link := link_of(mapping, item)) is not None:
                yield link


def link_of(mapping: Mapping, item: Any) -> Link | None:
    """Whom one item of a payload is about, if it tells."""
    only_id = Mapping(source=mapping.source, external_id=mapping.external_id, absent=mapping.absent)
    with suppress(Flawed, ValidationError):
        form = Form.model_validate(read_item(only_id, item).own)
        return Link(source=form.source, external_id=form.external_id)
    return None


def may_be_about(mapping: Mapping, payload: Any, ids: Collection[str]) -> bool:
    """Whether a payload is about one of these ids of the mapping's source.

    What does not tell whom it is about is about an id that it holds anywhere.
    """
    try:
        items = split(mapping, payload)
    except Flawed:
        return _holds(payload, ids)
    return any(_may_be(mapping, item, ids) for item in items) or (not items and _holds(payload, ids))


def _may_be(mapping: Mapping, item: Any, ids: Collection[str]) -> bool:
    link = link_of(mapping, item)
    return link.external_id in ids if link else _holds(item, ids)


def _holds(payload: Any, ids: Collection[str]) -> bool:
    waiting = [payload]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
        elif number_as_text(part) in ids:
            return True
    return False
