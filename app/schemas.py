"""What the requests and responses of several rooms share."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from app.problems import PROBLEM_TYPE, Where
from app.scoring import NAME, form, is_blank

CONTROL_FREE = form(r"^[^\x00-\x1f\x7f]*$", "send one line, without control characters")
SOURCE = form(
    r"^[a-z0-9][a-z0-9._-]{0,63}$", "use lower-case letters, digits, '.', '_' and '-', at most 64 of them"
)
EXTERNAL_ID = form(
    r"^[^\x00-\x20\x7f/?#\\]+([^\x00-\x1f\x7f/?#\\]*[^\x00-\x20\x7f/?#\\])?$",
    "send one line without '/', '?', '#' and '\\', and without blanks at its ends",
)
VISIBLE = form(r"^[\x21-\x7e]+$", "send visible ASCII characters without blanks")
MAX_TEXT_LENGTH = 1000
MAX_ATTRIBUTES = 200


def result_json(result: Any) -> bytes:
    """A result of plain dictionaries as JSON: orjson takes a third of pydantic's time for the same text."""
    return orjson.dumps(result, option=orjson.OPT_UTC_Z)


class In(BaseModel):
    """A request body: exact types, and an unknown field is an error rather than ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """A response: every field is always there, null where there is nothing."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


IdempotencyKey = Annotated[
    str,
    StringConstraints(
        strict=True,
        max_length=255,
        pattern=VISIBLE,
    ),
    Field(description="makes it safe to send again: the same key and request get the first answer again"),
]


class WriteIn(In):
    """The body of a request that writes."""

    idempotency_key: Annotated[
        IdempotencyKey | None, Field(description="or as the header Idempotency-Key")
    ] = None


def at_most(most: int, what: str) -> BeforeValidator:
    """Refuse a map that is too large as a whole, before every entry gets an error of its own."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and len(value) > most:
            raise PydanticCustomError("too_many", "send at most {most} {what}", {"most": most, "what": what})
        return value

    return BeforeValidator(check)


def _scalar(value: Any) -> Any:
    # One check with one message: a union would report every one of its members.
    if not isinstance(value, str | bool | int | float):
        raise ValueError("send a text, a number, true, false or null")
    if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
        raise ValueError(f"a text has at most {MAX_TEXT_LENGTH} characters")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        raise ValueError("an integer is at most 2⁵³")
    return value


Line = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=200, pattern=CONTROL_FREE, strip_whitespace=True),
]
Prose = Annotated[str, StringConstraints(strict=True, max_length=4000)]
Scalar = Annotated[
    Annotated[str, Field(strict=True, max_length=MAX_TEXT_LENGTH)]
    | Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)],
    BeforeValidator(_scalar),
]
AttributeName = Annotated[str, StringConstraints(pattern=NAME)]


def without_blanks(sent: Any) -> Any:
    """What was sent without its empty texts, which say nothing in forms and files."""
    if not isinstance(sent, dict):
        return sent
    return {name: value for name, value in sent.items() if not is_blank(value)}


def _null_if_blank(value: Any) -> Any:
    return None if is_blank(value) else value


AttributesIn = Annotated[
    dict[AttributeName, Annotated[Scalar | None, BeforeValidator(_null_if_blank)]],
    Field(
        max_length=MAX_ATTRIBUTES,
        description="typed facts by name; a null or an empty text removes one",
        examples=[{"employees": 120, "industry": "logistics"}],
    ),
    at_most(MAX_ATTRIBUTES, "attributes"),
]
Source = Annotated[
    str,
    StringConstraints(strict=True, pattern=SOURCE),
    Field(description="the system that knows it", examples=["salesforce.account"]),
]


def _addressable(value: str) -> str:
    if value in (".", ".."):
        raise ValueError("'.' and '..' cannot stand in an address")
    return value


ExternalId = Annotated[
    str,
    StringConstraints(
        strict=True,
        min_length=1,
        max_length=200,
        pattern=EXTERNAL_ID,
    ),
    AfterValidator(_addressable),
    Field(description="its id there; no '/', '?', '#' or '\\'", examples=["0015g00000XyZ"]),
]
Deal = Annotated[
    Line, Field(description="the deal within the prospect, if it has several", examples=["0065g00000AbC"])
]
Actor = Annotated[Line, Field(description="the person at work, for the record", examples=["ana@example.com"])]
Revision = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
SetName = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=80),
    Field(
        description='"key" for the newest version, or "key@version"; without it the default of the service',
        examples=["qualifying-a-sale"],
    ),
]


# Numbers and texts of digits would be taken for the seconds since 1970.
def _written_out(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("send a date as text: YYYY-MM-DD")
    return value


Day = Annotated[date, BeforeValidator(_written_out)]


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("send a time from the years 1 to 9999 in UTC") from None


def _written_as_time(time: Any) -> Any:
    if not isinstance(time, str) or not re.match("[0-9]{4}-", time):
        raise ValueError("send a time as text: 2026-01-31T09:00:00Z")
    return time


Moment = Annotated[AwareDatetime, BeforeValidator(_written_as_time), AfterValidator(_in_utc)]


class FieldErrorOut(Out):
    """One field that cannot be used."""

    where: Where
    pointer: Annotated[str, Field(description="JSON pointer; '' is the whole", examples=["/ratings/budget"])]
    code: Annotated[str, Field(description="stable, for programs", examples=["unknown_question"])]
    detail: str


class ProblemOut(Out):
    """A failure: what went wrong, where, and what to do."""

    type: Annotated[
        str, Field(description="stable, for programs", examples=[PROBLEM_TYPE + "invalid-request"])
    ]
    title: str
    status: int
    detail: str
    remedy: str
    errors: list[FieldErrorOut]
    request_id: str | None
