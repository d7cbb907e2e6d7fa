"""Requests that the description of the API allows and the service refuses, each with the reason.

A test sends requests that the description allows, and fails for a refusal that is not listed here.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from app import problems
from app.problems import INVALID_REQUEST, Kind

TWO_PLACES = "A schema cannot compare the body with a header or a parameter."
ITEMS = "A schema cannot compare the items of a list by their fields, nor the names of two maps."
STORED = "It depends on what is stored."
THE_SET = "It depends on the question set."
THE_TEXT = "A schema describes the body as one text."
THE_PAYLOAD = "It depends on the payload."


class Refusal(NamedTuple):
    """A refusal, and why a schema cannot rule it out.

    With `codes`, it is about fields that get one of them, and whose pointer matches the pattern `pointer`.
    """

    kind: Kind
    what: str
    why: str
    codes: tuple[str, ...] = ()
    pointer: str = ".*"


REFUSALS = (
    Refusal(
        problems.MALFORMED_BODY,
        "JSON with a repeated name, an integer beyond 64 bits, the character NUL, more than 32 levels, or "
        "more than 100,000 lists and objects",
        "A schema describes values, and not their text.",
    ),
    Refusal(problems.MALFORMED_FILE, "a file whose lines cannot be read", THE_TEXT),
    Refusal(problems.NOT_FOUND, "an id or a key that does not exist, in the address or in the body", STORED),
    Refusal(problems.CURSOR_GONE, "a cursor of the feed whose event is not at its position", STORED),
    Refusal(problems.LINK_TAKEN, "a link that another prospect has", STORED),
    Refusal(
        problems.SESSION_IS_OPEN, "a second open session of a prospect, a deal, an assessor and a set", STORED
    ),
    Refusal(problems.LINKS_COLLIDE, "an id rule by which ids of different prospects are the same", STORED),
    Refusal(
        problems.SEVERAL_SETS_MATCH, "a request without a question set, if several match the prospect", STORED
    ),
    Refusal(problems.SESSION_IS_CLOSED, "answers to a closed session", STORED),
    Refusal(problems.KEY_IN_FLIGHT, "the idempotency key of a request that is still running", STORED),
    Refusal(
        problems.LAST_ADMIN_KEY, "revoking the last key with the scope admin that does not expire", STORED
    ),
    Refusal(
        problems.CANNOT_ROTATE,
        "rotating a key that no longer works, has a successor or is from the setting",
        STORED,
    ),
    Refusal(
        INVALID_REQUEST,
        "a decision without an actor, with an API key that belongs to no person",
        "It depends on the API key.",
        ("missing",),
        "/actor",
    ),
    Refusal(
        INVALID_REQUEST,
        "the last day of an API key that is in the past, or the last day of the calendar",
        "A schema cannot compare a day with today.",
        ("in_the_past", "invalid"),
        "/expires_on",
    ),
    Refusal(problems.NOTHING_TO_SEND, "the test of a record update before a session exists", STORED),
    Refusal(problems.STALE_REVISION, "a revision that is not the current one", STORED),
    Refusal(problems.BODY_TOO_LARGE, "a body that is too large", "A schema does not count bytes."),
    Refusal(problems.KEY_REUSED, "the idempotency key of another request", STORED),
    Refusal(problems.DRAFT_HAS_FLAWS, "publishing a draft that is not complete", STORED),
    Refusal(
        problems.REVISION_REQUIRED,
        "a decision without a revision in the body or in If-Match; a replaced draft without If-Match",
        f"{TWO_PLACES} The first draft of a set needs no revision.",
    ),
    Refusal(
        INVALID_REQUEST,
        "different values in the body and in a header or the address",
        TWO_PLACES,
        ("conflict",),
    ),
    Refusal(INVALID_REQUEST, "a question that the set does not have", THE_SET, ("unknown_question",)),
    Refusal(INVALID_REQUEST, "a rating that is not on the scale of the set", THE_SET, ("off_scale",)),
    Refusal(
        INVALID_REQUEST,
        "an attribute of another type than the set declares",
        THE_SET,
        ("wrong_type",),
        r"/attributes/\w+",
    ),
    Refusal(
        INVALID_REQUEST,
        "in a flat form, a value of another type than the set declares",
        THE_SET,
        ("wrong_type",),
        r"/\w+",
    ),
    Refusal(
        INVALID_REQUEST,
        "in a flat form, a word for the decision, the outcome, its reason or its currency without a meaning",
        "It depends on the value aliases of the source.",
        ("not_allowed", "bad_format"),
        "/(decision|outcome|outcome_reason|outcome_currency)",
    ),
    Refusal(INVALID_REQUEST, "a column name that a figure of the set has", THE_SET, ("not_allowed",), "/id"),
    Refusal(
        INVALID_REQUEST,
        "a question set or a version that is not published",
        STORED,
        ("unknown_question_set",),
    ),
    Refusal(INVALID_REQUEST, "a new session with a retired version", STORED, ("retired",)),
    Refusal(INVALID_REQUEST, "the portfolio of a set that defines none", STORED, ("no_portfolio",)),
    Refusal(
        INVALID_REQUEST,
        "a concentration without its attribute or currency, or with a parameter that has no effect on it",
        "A schema describes one parameter at a time.",
        ("missing", "contradiction"),
        "/(attribute|currency|question_set|since|before|assessor)",
    ),
    Refusal(INVALID_REQUEST, "a point that the report does not have", STORED, ("unknown_point",), "/point"),
    Refusal(
        INVALID_REQUEST,
        "a point without a filter that its report needs, or with one that it does not have",
        "A schema cannot compare a parameter with the report in the address.",
        ("missing", "unknown_field"),
        "/(question_set|since|before|hindsight|by|attribute|currency|assessor|segment|subject)",
    ),
    Refusal(INVALID_REQUEST, "a new webhook, if there are 100 already", STORED, ("too_many",)),
    Refusal(INVALID_REQUEST, "moving a session to another question set", STORED, ("other_set",)),
    Refusal(INVALID_REQUEST, "moving a session to an older version", STORED, ("older",)),
    Refusal(INVALID_REQUEST, "replaying what the webhook or the intake does not have", STORED, ("unknown",)),
    Refusal(INVALID_REQUEST, "merging a prospect into itself", TWO_PLACES, ("same",)),
    Refusal(
        INVALID_REQUEST,
        "an answer from the future",
        "It depends on the time of the request.",
        ("in_the_future",),
    ),
    Refusal(INVALID_REQUEST, "two answers to one question, or two aliases of one text", ITEMS, ("repeated",)),
    Refusal(
        INVALID_REQUEST,
        "a condition of a mapping in which every operator is null",
        "The same schema describes the conditions of a question set, where flaws of a draft are reported.",
        ("invalid",),
        "/mapping/when/.*",
    ),
    Refusal(
        INVALID_REQUEST,
        "a signature with a timestamp_header, or with {timestamp} in signed, but not with both",
        "A schema cannot compare a field with a part of another one.",
        ("invalid",),
        "/signature",
    ),
    Refusal(
        INVALID_REQUEST,
        "a name that is both an attribute and a rating of a mapping",
        ITEMS,
        ("invalid",),
        "(/mapping)?",
    ),
    Refusal(
        INVALID_REQUEST,
        "a field of a record update below another field",
        ITEMS,
        ("invalid",),
        "/record_update",
    ),
    Refusal(
        INVALID_REQUEST,
        "more attributes or links than a prospect can have, together with the stored ones",
        STORED,
        ("too_long",),
        "(/attributes|/links)?",
    ),
    Refusal(
        INVALID_REQUEST,
        "`not_applicable` together with `answers`",
        "A schema describes one parameter at a time.",
        ("contradiction",),
        "/not_applicable",
    ),
    Refusal(
        INVALID_REQUEST,
        "a URL that cannot be read, or a host that is unknown or in a network that is not allowed",
        "It depends on the network and on settings.",
        ("not_allowed",),
        "/(url|record_update/client_credentials/token_url)",
    ),
    Refusal(
        INVALID_REQUEST,
        "the URL of a record update without a placeholder, or with one that its events do not fill",
        "A schema cannot compare a part of a text with other fields.",
        ("invalid",),
        "/(url|types)",
    ),
    Refusal(
        INVALID_REQUEST,
        "the URL of a record update with {external_id}, without the source of that id",
        "A schema cannot compare a part of a text with other fields.",
        ("missing",),
        "/record_update/source",
    ),
    Refusal(
        INVALID_REQUEST,
        "the encoding of a file that is not CSV, or the sheet of one that is not a workbook",
        "A schema cannot compare the media type with a parameter.",
        ("not_allowed",),
        "/(encoding|sheet)",
    ),
    Refusal(
        INVALID_REQUEST,
        "an encoding that is unknown or not that of the file, or a sheet that the workbook does not have",
        "It depends on the file.",
        ("unknown", "invalid"),
        "/(encoding|sheet)",
    ),
    Refusal(
        INVALID_REQUEST,
        "a file without the headings that it needs",
        THE_TEXT,
        ("missing",),
        "/(columns|id|name|source)",
    ),
    Refusal(
        INVALID_REQUEST,
        "a heading that cannot become an attribute name",
        THE_TEXT,
        ("bad_format",),
        r"/columns/\d+",
    ),
    Refusal(
        INVALID_REQUEST,
        "a cursor that names no position in the list",
        "A cursor is any text that the service put into `next`.",
        ("invalid",),
        "/after",
    ),
    Refusal(
        INVALID_REQUEST,
        "a pointer of a mapping to a value that the sample does not have",
        THE_PAYLOAD,
        ("points_nowhere",),
    ),
    Refusal(
        INVALID_REQUEST,
        "a pointer of a mapping to a value that its field does not take",
        THE_PAYLOAD,
        ("wrong_type", "missing", "bad_format", "off_scale", "too_long", "invalid"),
        "/mapping/.+",
    ),
    Refusal(
        INVALID_REQUEST,
        "a name of characters that show nothing",
        "A pattern with all these characters would be longer than this page.",
        ("invalid",),
        ".*/(name|deal|assessor|actor|competitor|q)",
    ),
    Refusal(
        INVALID_REQUEST,
        "a time after the year 8999, or one that is not in the calendar in UTC",
        "A format cannot limit a time.",
        ("invalid",),
        ".*/(answered_at|as_of|updated_since)",
    ),
)


def is_listed(kind: Kind, errors: Iterable[tuple[str, str]]) -> bool:
    """Return whether the list has a refusal with these errors, each a code and a pointer."""
    listed = [refusal for refusal in REFUSALS if refusal.kind is kind]
    if any(not refusal.codes for refusal in listed):
        return True
    return bool(listed) and all(
        any(code in refusal.codes and re.fullmatch(refusal.pointer, pointer) for refusal in listed)
        for code, pointer in errors
    )
