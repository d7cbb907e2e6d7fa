"""A strict reader of JSON bodies: what it lets through, both databases can store."""

import json
from collections.abc import Iterator
from math import isfinite
from typing import Any, NoReturn

from app.problems import MALFORMED_BODY, FieldError, Problem

DEEPEST = 32
LARGEST_INTEGER = 2**63 - 1


def read_json(body: bytes) -> Any:
    """The value in `body`; raises MALFORMED_BODY.

    Stricter than the standard library: UTF-8 only, no repeated name in an object, finite numbers,
    64-bit integers, at most 32 levels, no NUL character and no lone surrogate in any text.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise _too_deep()
    if "\\u" in text and not all(map(_is_storable, _texts(value))):
        raise _malformed("a text holds a NUL character or half a surrogate pair")
    return value


def _malformed(reason: str) -> Problem:
    return Problem(
        MALFORMED_BODY,
        f"The body cannot be read: {reason}.",
        [FieldError("body", "", "malformed", reason)],
    )


def _too_deep() -> Problem:
    return _malformed(f"it nests deeper than {DEEPEST} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _malformed("an object has the same name twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise _malformed("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _malformed("a number is too large")
    return number


def _integer(text: str) -> int:
    # Checked by length first: turning a long text into an integer takes quadratic time.
    if len(text) > 20 or abs(int(text)) > LARGEST_INTEGER:
        raise _malformed("an integer does not fit 64 bits")
    return int(text)


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        level = [child for node in level for child in _children(node)]
        depth += 1
    return depth - 1


def _texts(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            yield from node
        waiting.extend(_children(node))


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
