"""JSON pointers (RFC 6901), with one thing more: a list of keys and values is looked up by key."""

import re
from collections.abc import Mapping
from typing import Any

from app.scoring import parts_of

NOWHERE = object()
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
# How Dataverse and other .NET systems send what is an object elsewhere.
PAIRS = (("key", "value"), ("Key", "Value"))


class Places:
    """One payload, or an item of one, to look many pointers up in."""

    def __init__(self, payload: Any) -> None:
        self._payload = payload
        # By its identity, since every pointer into a list would look at all of it again.
        self._named: dict[int, Mapping[Any, Any]] = {}

    def look_up(self, pointer: str) -> Any:
        """What a pointer leads to, or NOWHERE.

        In a list of objects that have `key` and `value`, a name leads to the value that has that key.
        """
        found = self._payload
        for token in parts_of(pointer):
            found = self._step(found, token)
            if found is NOWHERE:
                break
        return found

    def _step(self, value: Any, token: str) -> Any:
        if isinstance(value, dict):
            return value.get(token, NOWHERE)
        if not isinstance(value, list):
            return NOWHERE
        if id(value) not in self._named:
            self._named[id(value)] = _by_key(value)
        named = self._named[id(value)]
        if token in named:
            return named[token]
        if INDEX.fullmatch(token) and int(token) < len(value):
            return value[int(token)]
        return NOWHERE


def _by_key(entries: list[Any]) -> Mapping[Any, Any]:
    """What stands in a list of keys and values, of a key that comes again the first."""
    for key, held in PAIRS:
        if all(isinstance(entry, dict) and key in entry and held in entry for entry in entries):
            pairs = ((entry[key], entry[held]) for entry in reversed(entries))
            return {name: value for name, value in pairs if isinstance(name, str)}
    return {}


def kind_of(value: Any) -> str:
    """What a value is called in a message, which never repeats it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "nothing" if value is None else "a text" if isinstance(value, str) else "a number"
