"""A strict reader of JSON bodies: what it lets through, both databases can store."""

import json
import re
from collections.abc import Iterator
from itertools import accumulate
from math import isfinite
from typing import Any, NoReturn

from app.problems import MALFORMED_BODY, FieldError, Problem

DEEPEST = 32
LARGEST_INTEGER = 2**63 - 1
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
# NUL, and halves of surrogate pairs, also where they are whole; JSON cannot hold them as they are.
UNSTORABLE = re.compile(r"\\u(0000|[dD][89a-fA-F])")


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
    # In the text rather than in the value, which may have hundreds of thousands of parts.
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise _too_deep()
    if "\\u" in text and not all(map(_is_storable, _texts(text))):
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


def _depth(text: str) -> int:
    """How deep a text of JSON nests."""
    steps = (1 if character in "[{" else -1 for character in STRING.sub("", text) if character in "[{]}")
    return max(accumulate(steps), default=0)


def _texts(text: str) -> Iterator[str]:
    """The texts in a text of JSON that may hold what cannot be stored."""
    return (json.loads(found[0]) for found in STRING.finditer(text) if UNSTORABLE.search(found[0]))


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
