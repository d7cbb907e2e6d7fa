"""What a payload says by a mapping. A flaw's pointer leads into the intake: where to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.intake.pointers import NOWHERE, Places, kind_of
from app.intake.wire import Mapping
from app.scoring import Flaw, Flawed, is_blank, pointer

# All of a payload is one transaction, which must not keep others waiting for long.
MOST_ITEMS = 100
AT = "/mapping"
OWN = ("external_id", "name", "deal")


@dataclass(frozen=True, slots=True)
class Item:
    """What one item of a payload says: whom it is about, and the attributes and ratings.

    `nowhere` are the places in the intake of pointers that lead nowhere in this item.
    """

    own: dict[str, Any]
    attributes: dict[str, Any]
    ratings: dict[str, Any]
    nowhere: list[str]


def split(mapping: Mapping, payload: Any) -> list[Any]:
    """The items of a payload, which is the only one if it is not told where a list of them is.

    Raises `Flawed` where there is no list, or one that is too long.
    """
    if mapping.each is None:
        return [payload]
    items = Places(payload).look_up(mapping.each)
    if items is NOWHERE:
        raise Flawed([_nowhere(AT + "/each")])
    if not isinstance(items, list):
        detail = f"there is {kind_of(items)} in the payload at that place: point at a list"
        raise Flawed([Flaw(AT + "/each", detail, "wrong_type")])
    if len(items) > MOST_ITEMS:
        raise Flawed([Flaw(AT + "/each", f"at most {MOST_ITEMS} items at a time", "too_long")])
    return items


def read_item(mapping: Mapping, item: Any, *, whole: bool = False) -> Item:
    """What an item says; it may lack what is not its id, unless it has to be `whole`.

    Raises `Flawed` for what leads nowhere or to what is no single value.
    """
    read = _Reading(mapping, item)
    own = {name: value for name, value in read.own() if value is not None}
    attributes, ratings = (dict(read.all_of(part)) for part in ("attributes", "ratings"))
    flaws = [*read.flaws, *(_nowhere(place) for place in read.nowhere if whole)]
    if "external_id" not in own and not any(flaw.pointer == f"{AT}/external_id" for flaw in flaws):
        flaws.append(_without_id(nowhere=f"{AT}/external_id" in read.nowhere))
    if flaws:
        raise Flawed(flaws)
    return Item({"source": mapping.source, **own}, attributes, ratings, read.nowhere)


class _Reading:
    """One item being read; gathers what is wrong, and what leads nowhere."""

    def __init__(self, mapping: Mapping, item: Any) -> None:
        self._mapping = mapping
        self._places = Places(item)
        self._absent = {(isinstance(value, bool), value) for value in mapping.absent}
        self.flaws: list[Flaw] = []
        self.nowhere: list[str] = []

    def own(self) -> Iterator[tuple[str, Any]]:
        for name in OWN:
            if (where := getattr(self._mapping, name)) is not None:
                yield from self._value(name, where, f"{AT}/{name}")

    def all_of(self, part: str) -> Iterator[tuple[str, Any]]:
        for name, where in getattr(self._mapping, part).items():
            yield from self._value(name, where, AT + pointer(part, name))

    def _value(self, name: str, where: str, place: str) -> Iterator[tuple[str, Any]]:
        found = self._places.look_up(where)
        if found is NOWHERE:
            self.nowhere.append(place)
        elif isinstance(found, dict | list):
            detail = f"there is {kind_of(found)} in the payload at that place: point at one value in it"
            self.flaws.append(Flaw(place, detail, "wrong_type"))
        elif (isinstance(found, bool), found) in self._absent:
            yield name, None
        elif not is_blank(found):
            yield name, found


def _nowhere(place: str) -> Flaw:
    return Flaw(place, "it leads nowhere in the payload: correct it, or take it away", "points_nowhere")


def _without_id(*, nowhere: bool) -> Flaw:
    kind = "points_nowhere" if nowhere else "missing"
    detail = "there is nothing in the payload at that place: point at the id of the record"
    return Flaw(f"{AT}/external_id", detail, kind)
