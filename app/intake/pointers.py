"""JSON pointers (RFC 6901), with one thing more: a list of keys and values is looked up by key."""

import re
from collections.abc import Mapping
from typing import Any

from app.scoring import parts_of

NOWHERE = object()
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
# How Dataverse and other .NET systems send what is an object elsewhere.
PAIRS = (("key", "value"), ("Key", "Value"))


def look_up(payload: Any, pointer: str) -> Any:
    """What a pointer leads to, or NOWHERE.

    In a list of objects that have `key` and `value`, a name leads to the value that has that key.
    """
    found = payload
    for token in parts_of(pointer):
        found = _step(found, token)
        if found is NOWHERE:
            break
    return found


def _step(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return value.get(token, NOWHERE)
    if not isinstance(value, list):
        return NOWHERE
    for key, held in PAIRS:
        if value and all(isinstance(entry, Mapping) and {key, held} <= entry.keys() for entry in value):
            named = [entry[held] for entry in value if entry[key] == token]
            if named:
                return named[0]
    if INDEX.fullmatch(token) and int(token) < len(value):
        return value[int(token)]
    return NOWHERE


def kind_of(value: Any) -> str:
    """What a value is called in a message, which never repeats it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "nothing" if value is None else "a text" if isinstance(value, str) else "a number"
