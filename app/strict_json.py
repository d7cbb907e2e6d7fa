"""A strict JSON parser for request bodies. Both databases can store everything that it accepts."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import accumulate
from math import isfinite
from typing import Any, NoReturn

import orjson

from app.problems import MALFORMED_BODY, FieldError, Problem

MAX_JSON_DEPTH = 32
# Creating more lists and objects takes long, in one call that no other thread can interrupt.
MAX_JSON_CONTAINERS = 100_000
MAX_INT64 = 2**63 - 1
# No float is as large, and longer integers take long to parse.
MAX_INTEGER_DIGITS = 400
UNSTORABLE_TEXT = "a text contains a NUL character or half a surrogate pair"
LONG_INTEGER = "an integer does not fit into 64 bits"
TOO_LARGE = "a number is too large"
# Matches an unfinished string too, and never backtracks: otherwise a megabyte could take an hour, in one call
# that no other thread can interrupt.
JSON_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
# Escapes of NUL and of surrogates, paired or not. JSON text can contain these characters only as escapes.
UNSTORABLE_ESCAPE = re.compile(r"\\u(0000|[dD][89a-fA-F])")


def read_json(body: bytes) -> Any:
    """Parse a JSON body.

    This is stricter than the standard library: UTF-8 only, no repeated name in an object, only finite numbers
    and 64-bit integers, at most 32 levels of nesting and 100,000 lists and objects, and no NUL character or
    lone surrogate in any text. A byte order mark is ignored.

    Raises:
        Problem: MALFORMED_BODY.
    """
    # Almost every body is such a small one without escapes, and orjson needs a fifth of the time.
    if b"\\" not in body and body.count(b"{") + body.count(b"[") <= MAX_JSON_DEPTH:
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(body)
            if _is_certain(value, body.count(b":")):
                return value
    text = _decoded(body)
    value = _parsed(text, _parse_float, _parse_integer)
    if "\\u" in text and not all(map(_is_storable, _suspicious_strings(text))):
        raise _malformed(UNSTORABLE_TEXT)
    return value


def read_any_json(body: bytes) -> Any:
    """Parse a JSON body that may contain values that cannot be stored: `unstorable_reason` finds them.

    Otherwise this is as strict as `read_json`. An integer of MAX_INTEGER_DIGITS or more is infinite.

    Raises:
        Problem: MALFORMED_BODY.
    """
    return _parsed(_decoded(body), float, _parse_any_integer)


def unstorable_reason(value: Any) -> str | None:
    """Return why a value of `read_any_json`, not a list or an object, cannot be stored; None if it can."""
    if isinstance(value, str):
        return None if _is_storable(value) else UNSTORABLE_TEXT
    if isinstance(value, float):
        return None if isfinite(value) else TOO_LARGE
    return LONG_INTEGER if isinstance(value, int) and abs(value) > MAX_INT64 else None


def _is_certain(value: Any, colons: int) -> bool:
    """Return whether `read_json` also returns what orjson has parsed, from a text with that many colons.

    orjson keeps the last value of a repeated name, and makes a float of a long integer. Without a repeated
    name, the text has no other colons than one for each name and those in the texts of the value.
    """
    containers: list[list[Any] | dict[str, Any]] = [[value]]
    for container in containers:
        parts: Iterable[Any] = container
        if isinstance(container, dict):
            colons -= len(container) + "".join(container).count(":")
            parts = container.values()
        for part in parts:
            kind = type(part)
            if kind is str:
                colons -= part.count(":")
            elif kind is dict or kind is list:
                containers.append(part)
            elif (kind is int or kind is float) and abs(part) > MAX_INT64:
                return False
    return colons == 0


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None


def _parsed(text: str, parse_float: Callable[[str], float], parse_int: Callable[[str], float]) -> Any:
    try:
        _check_containers(text)
        value = json.loads(
            text,
            object_pairs_hook=_object_from_pairs,
            parse_constant=_reject_constant,
            parse_float=parse_float,
            parse_int=parse_int,
        )
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    # Check the text, not the value: a value can have hundreds of thousands of parts.
    if _containers(text) > MAX_JSON_DEPTH and _depth(text) > MAX_JSON_DEPTH:
        raise _too_deep()
    return value


def _malformed(reason: str) -> Problem:
    return Problem(
        MALFORMED_BODY,
        f"The body cannot be read: {reason}.",
        [FieldError("body", "", "malformed", reason)],
    )


def _check_containers(text: str) -> None:
    if (
        _containers(text) > MAX_JSON_CONTAINERS
        and _containers(JSON_STRING.sub("", text)) > MAX_JSON_CONTAINERS
    ):
        raise _malformed(f"it has more than {MAX_JSON_CONTAINERS} lists and objects")


def _containers(text: str) -> int:
    return text.count("[") + text.count("{")


def _too_deep() -> Problem:
    return _malformed(f"it has more than {MAX_JSON_DEPTH} levels of nesting")


def _object_from_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _malformed("an object contains the same name twice")
    return members


def _reject_constant(_: str) -> NoReturn:
    raise _malformed("NaN and Infinity are not JSON")


def _parse_float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _malformed(TOO_LARGE)
    return number


def _parse_integer(text: str) -> int:
    # Check the length first: parsing a long integer takes quadratic time.
    if len(text) > 20 or abs(int(text)) > MAX_INT64:
        raise _malformed(LONG_INTEGER)
    return int(text)


def _parse_any_integer(text: str) -> float:
    return int(text) if len(text) < MAX_INTEGER_DIGITS else float(text)


def _depth(text: str) -> int:
    """Return the maximum depth of nesting in a JSON text."""
    depth_changes = (
        1 if character in "[{" else -1 for character in JSON_STRING.sub("", text) if character in "[{]}"
    )
    return max(accumulate(depth_changes), default=0)


def _suspicious_strings(text: str) -> Iterator[str]:
    """Return the strings in a JSON text that may contain characters that cannot be stored."""
    return (
        json.loads(members[0])
        for members in JSON_STRING.finditer(text)
        if UNSTORABLE_ESCAPE.search(members[0])
    )


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
