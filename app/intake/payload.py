"""A payload as it was stored, as a value: JSON, or the fields of a web form."""

import json
from typing import Any
from urllib.parse import parse_qsl

from app.problems import MALFORMED_BODY, FieldError, Problem

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 1000


def read_payload(media_type: str, body: bytes) -> Any:
    """What a payload says that was taken in: JSON was read strictly then."""
    return read_fields(body) if media_type == FORM else json.loads(body)


def read_fields(body: bytes) -> dict[str, str | list[str]]:
    """The fields of a web form by name, of one that is there several times a list.

    Raises MALFORMED_BODY where that is not what `body` holds.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except UnicodeDecodeError:
        raise _malformed("it is not percent-encoded UTF-8") from None
    except ValueError:
        raise _malformed(f"it has more than {MOST_FIELDS} fields: send fewer") from None
    if not pairs:
        raise _malformed("it has no field")
    if any("\0" in part for pair in pairs for part in pair):
        raise _malformed("a text holds a NUL character")
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _malformed(reason: str) -> Problem:
    errors = [FieldError("body", "", "malformed", reason)]
    return Problem(MALFORMED_BODY, f"The form cannot be read: {reason}.", errors)
