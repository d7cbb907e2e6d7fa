"""Types and base classes that the requests and responses of several packages share."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from unicodedata import combining, normalize

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.problems import PROBLEM_TYPE, Where
from app.scoring import NAME, SET_NAME, Shared, check_field_count, form, is_blank, whole

# What a name, an id or an actor must not contain: control characters (C0, DEL and C1), the separators of
# lines and paragraphs, and the embeddings, overrides and isolates, which reorder whole texts (Unicode TR36).
# It is the inside of a character class, with escapes that JSON Schema, Python and Rust have in common.
REFUSED = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
REFUSED_ANYWHERE = re.compile(f"[{REFUSED}]")
# What shows nothing, and so cannot distinguish two ids: the characters with Default_Ignorable_Code_Point,
# which Unicode TR39 keeps out of identifiers, without those that are refused or not assigned. Among them are
# joiners (Persian, emoji), the soft hyphen, variation selectors, and the marks U+061C, U+200E and U+200F,
# which copied texts often contain and which affect only the characters beside them. It is a list, because the
# properties in `unicodedata` differ between versions of Python, and an id must not.
INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2064\u206a-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    r"\U000e0020-\U000e007f\U000e0100-\U000e01ef]+"
)
# The characters with White_Space, which are also what `\s` matches in a pattern. It is a list, because
# `str.strip()` also removes four control characters, which are refused.
WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# Looks like a space, but Unicode counts it as a symbol.
BRAILLE_BLANK = "\u2800"
SINGLE_LINE_PATTERN = form(
    rf"^[^{REFUSED}]*[^\s{REFUSED}][^{REFUSED}]*$",
    "send one line that is not blank, without control characters and characters that change the direction of "
    "the text",
)
SOURCE_PATTERN = form(
    r"^[a-z0-9][a-z0-9._-]{0,63}$", "use at most 64 lower-case letters, digits, '.', '_' and '-'"
)
EXTERNAL_ID_PATTERN = form(
    rf"^[^{REFUSED}/?#\\]*[^\s{REFUSED}/?#\\][^{REFUSED}/?#\\]*$",
    "send one line that is not blank, without '/', '?', '#' and '\\', and without control characters and "
    "characters that change the direction of the text",
)
Schema = dict[str, Any]
VISIBLE = form(r"^[\x21-\x7e]+$", "send visible ASCII characters without spaces")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
# The length of a name in Salesforce and HubSpot.
MAX_LINE_LENGTH = 255
MAX_TEXT_LENGTH = 1000
MAX_ATTRIBUTES = 200
RESULT_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_SUBCLASS


def result_json(result: Any) -> bytes:
    """Serialise a result of plain dictionaries: orjson takes a third of pydantic's time for the same text."""
    return orjson.dumps(result, _shared_json, RESULT_OPTIONS)


def result_line(result: Any) -> bytes:
    """Serialise a result as a line of NDJSON."""
    return orjson.dumps(result, _shared_json, RESULT_OPTIONS | orjson.OPT_APPEND_NEWLINE)


def _shared_json(part: Any) -> Any:
    """Return the JSON of a part that many results share; each part is serialised once."""
    try:
        return part.json
    except AttributeError:
        if not isinstance(part, Shared):
            raise TypeError from None
        part.json = orjson.Fragment(orjson.dumps(part, option=orjson.OPT_UTC_Z))
        return part.json


def filled(*names: str) -> Schema:
    """Return the schema of an object that has a value other than null in each of these fields."""
    return {"required": [*names], "properties": {name: {"not": {"type": "null"}} for name in names}}


def excluding(*combinations: Schema) -> dict[str, JsonValue]:
    """Return the part of a schema that excludes combinations of fields.

    A validator of the model has to enforce the same rules. Generators of clients ignore what is inside `not`.
    Elsewhere, they would treat the rules as fields.
    """
    return {"allOf": [{"not": combination} for combination in combinations]}


def neither(*schemas: Schema) -> Schema:
    """Return the schema of a value that satisfies none of these schemas."""
    return {"not": {"anyOf": [*schemas]}}


def without_null(schema: Schema) -> None:
    """Describe a field as one that cannot be null, although its default is None."""
    (described,) = [option for option in schema.pop("anyOf") if option != {"type": "null"}]
    schema.pop("default")
    schema |= described


class In(BaseModel):
    """Base of request bodies. Types are exact, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _check_field_count(cls, sent: Any) -> Any:
        return check_field_count(sent, len(cls.model_fields))


class Out(BaseModel):
    """Base of responses. Every field is always present; it is null if there is no value."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True, defer_build=True)


IdempotencyKey = Annotated[
    str,
    StringConstraints(
        strict=True,
        max_length=255,
        pattern=VISIBLE,
    ),
    Field(
        description="makes the request safe to send again: the same key and request get the first response "
        "again"
    ),
]


class WriteIn(In):
    """Base of the bodies of requests that write."""

    idempotency_key: Annotated[
        IdempotencyKey | None, Field(description="can also be sent as the header Idempotency-Key")
    ] = None


def at_most(limit: int, what: str) -> BeforeValidator:
    """Reject a map with more than `limit` entries as a whole, before each entry gets an error of its own."""

    def check(value: Any) -> Any:
        if isinstance(value, dict) and len(value) > limit:
            raise PydanticCustomError(
                "too_many", "send at most {limit} {what}", {"limit": limit, "what": what}
            )
        return value

    return BeforeValidator(check)


def check_scalar(value: Any) -> Any:
    # One check gives one message: a union would report an error for each of its members.
    if not isinstance(value, str | bool | int | float):
        raise ValueError("send a text, a number, true, false or null")
    if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
        raise ValueError(f"a text has at most {MAX_TEXT_LENGTH} characters")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        raise ValueError("an integer is at most 2⁵³")
    return value


def normalized(value: Any) -> Any:
    """Return a text as it is stored: in Unicode NFC, trimmed of white space. Other values unchanged.

    A text of more than MAX_TEXT_LENGTH characters, which no field accepts, is only stripped.
    """
    if not isinstance(value, str):
        return value
    text = value.strip(WHITE_SPACE)
    # To order many combining characters takes quadratic time.
    return text if text.isascii() or len(text) > MAX_TEXT_LENGTH else normalize("NFC", text)


def normalized_id(value: Any) -> Any:
    """Return an id as it is stored: normalized, and without INVISIBLE characters. Other values unchanged."""
    # Almost all ids are ASCII, which has no such character.
    is_plain = not isinstance(value, str) or value.isascii()
    return normalized(value if is_plain else INVISIBLE.sub("", value))


def searchable(text: str) -> str:
    """Return a text as it is searched: normalized, in one case, and without INVISIBLE characters."""
    # Folding the case of a composed character can give a text that is not composed.
    return str(normalized(normalize("NFD", normalized_id(text)).casefold()))


def keyword(text: str) -> str:
    """Return a text as one word of a to z, 0 to 9 and underscores: "Zu groß (m²)" becomes zu_gross_m2."""
    return re.sub(r"[^a-z0-9_]+", "_", unaccented(text)).strip("_")


def unaccented(text: str) -> str:
    """Return a text in lower case, without accents, and with ae, oe, ue and ss for umlauts and ß."""
    plain = normalize("NFKD", normalize("NFC", text).lower().translate(UMLAUTS))
    return "".join(character for character in plain if not combining(character))


def _check_visible(value: str) -> str:
    if not value.isascii() and not INVISIBLE.sub("", value).replace(BRAILLE_BLANK, " ").strip():
        raise ValueError("send a text with a visible character")
    return value


# An invisible character stays in a name.
Line = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=MAX_LINE_LENGTH, pattern=SINGLE_LINE_PATTERN),
    BeforeValidator(normalized),
    AfterValidator(_check_visible),
]
# A text that is compared or searched, without its invisible characters.
ComparedLine = Annotated[Line, BeforeValidator(normalized_id)]
Prose = Annotated[str, StringConstraints(strict=True, max_length=4000)]
Scalar = Annotated[
    Annotated[str, Field(strict=True, max_length=MAX_TEXT_LENGTH)]
    | Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)],
    BeforeValidator(check_scalar),
]
AttributeName = Annotated[str, StringConstraints(pattern=NAME)]


def without_blanks(value: Any) -> Any:
    """Return an object without its empty texts, which forms and files send if there is no value."""
    if not isinstance(value, dict):
        return value
    return {name: value for name, value in value.items() if not is_blank(value)}


def _null_if_blank(value: Any) -> Any:
    return None if is_blank(value) else value


AttributesIn = Annotated[
    dict[AttributeName, Annotated[Scalar | None, BeforeValidator(_null_if_blank)]],
    Field(
        max_length=MAX_ATTRIBUTES,
        description="attributes by name; null or an empty text removes one",
        examples=[{"employees": 120, "industry": "logistics"}],
    ),
    at_most(MAX_ATTRIBUTES, "attributes"),
]
Source = Annotated[
    str,
    StringConstraints(strict=True, pattern=SOURCE_PATTERN),
    Field(description="the other system that has the prospect", examples=["salesforce.account"]),
]


def _check_path_segment(value: str) -> str:
    if value in (".", ".."):
        raise ValueError("send another text: '.' and '..' cannot be part of an address")
    return value


ExternalId = Annotated[
    str,
    StringConstraints(
        strict=True,
        min_length=1,
        max_length=200,
        pattern=EXTERNAL_ID_PATTERN,
    ),
    AfterValidator(_check_path_segment),
    BeforeValidator(normalized_id),
    Field(
        description="the id of the prospect in that system, without '/', '?', '#' and '\\'",
        examples=["0015g00000XyZ"],
        json_schema_extra={"pattern": EXTERNAL_ID_PATTERN.replace("^", r"^(?!\s*\.{1,2}\s*$)", 1)},
    ),
]
Deal = Annotated[
    ComparedLine, Field(description="the deal, if the prospect has several", examples=["0065g00000AbC"])
]
Assessor = Annotated[
    ComparedLine,
    Field(
        description="the person who gave the ratings, if several people rate", examples=["ana@example.com"]
    ),
]
Actor = Annotated[
    Line, Field(description="the person who does this, for the history", examples=["ana@example.com"])
]


def _check_digits(value: Any) -> Any:
    # int() also takes "+5" and "1_0".
    if isinstance(value, str) and not re.fullmatch("-?[0-9]+", value):
        raise PydanticCustomError("int_parsing", "send a whole number")
    return value


# For a whole number in an address, where every value is a text. It comes after the limits of the number.
PLAIN_DIGITS = BeforeValidator(_check_digits)
Revision = Annotated[int, Field(strict=True, ge=1, lt=2**31), BeforeValidator(whole)]
SetName = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=80, pattern=SET_NAME),
    Field(
        description='"key" for the newest version, or "key@version"; the default of the service if not sent',
        examples=["qualifying-a-sale"],
    ),
]


# pydantic would read numbers and texts of digits as seconds since 1970.
def _check_date_text(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("send a date as text: YYYY-MM-DD")
    return value


Day = Annotated[date, BeforeValidator(_check_date_text)]


def _to_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("send a time whose year in UTC is 1 to 9999") from None


def _check_time_text(time: Any) -> Any:
    if isinstance(time, datetime):
        return time
    if not isinstance(time, str) or not re.match("[0-9]{4}-", time):
        raise ValueError("send a time as text: 2026-01-31T09:00:00Z")
    return time


Moment = Annotated[AwareDatetime, BeforeValidator(_check_time_text), AfterValidator(_to_utc)]


class FieldErrorOut(Out):
    """One field that is not valid."""

    where: Where
    pointer: Annotated[
        str, Field(description="JSON pointer; '' means the whole body", examples=["/ratings/budget"])
    ]
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
