"""The catalogue of errors. Every failure that a caller sees is one of these."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from app.scoring import Flaw

PROBLEM_TYPE = "urn:prospect-fit:problem:"
# When to try again after a failure that usually passes quickly.
RETRY_AFTER_SECONDS = 2
Where = Literal["body", "path", "query", "header", "draft"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. Its slug never changes. `remedy` says what the caller can do."""

    slug: str
    status: int
    title: str
    remedy: str

    @property
    def type(self) -> str:
        """The `type` of RFC 9457, a stable URI."""
        return PROBLEM_TYPE + self.slug


MALFORMED_BODY = Kind(
    "malformed-body", 400, "The body cannot be read.",
    "Send JSON in UTF-8 as RFC 8259 defines it: no repeated names, no NaN, no NUL character. Where the "
    "operation accepts a web form, send it percent-encoded.",
)  # fmt: skip
MALFORMED_FILE = Kind(
    "malformed-file", 400, "The file cannot be read.",
    "Save it as XLSX, or as CSV in UTF-8, with headings in the first row. In CSV, put a cell that contains a "
    "quote, a separator or a line break in quotes, and double every quote inside it.",
)  # fmt: skip
MALFORMED_REQUEST = Kind(
    "malformed-request", 400, "The request is not valid HTTP.",
    "Send HTTP/1.1 with plain ASCII in the request line, and percent-encode everything else in it.",
)  # fmt: skip
UNAUTHENTICATED = Kind(
    "unauthenticated", 401, "A valid API key is required.",
    "Send 'Authorization: Bearer pfk_…' or 'X-API-Key: pfk_…'; 'prospect-fit keys create' creates a key.",
)  # fmt: skip
BAD_SIGNATURE = Kind(
    "bad-signature", 401, "The signature of the payload is not valid.",
    "Check that the intake and the sender have the same secret, that the sender calls the address of the "
    "intake, and that the clocks of both systems are right.",
)  # fmt: skip
FORBIDDEN = Kind(
    "forbidden", 403, "The API key does not have the scope that this operation needs.",
    "Use a key with that scope, or one with the scope admin.",
)  # fmt: skip
FOREIGN_FORM = Kind(
    "foreign-form", 403, "The form comes from another site or from an old page.",
    "Open the page of the form again, and send the form from there.",
)  # fmt: skip
NOT_FOUND = Kind(
    "not-found", 404, "There is nothing at this address.",
    "Check the address; /docs lists the operations.",
)  # fmt: skip
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed", 405, "This address does not support that method.",
    "Use a method from the Allow header.",
)  # fmt: skip
REQUEST_TIMEOUT = Kind(
    "request-timeout", 408, "The request did not arrive in time.",
    "Send the whole request at once. Divide a body that takes longer than a minute to send.",
)  # fmt: skip
LINK_TAKEN = Kind(
    "link-taken", 409, "The link belongs to another prospect.",
    "Use that prospect, or merge the two.",
)  # fmt: skip
LINKS_COLLIDE = Kind(
    "links-collide", 409, "External ids of different prospects would be the same.",
    "Merge the two prospects of every pair in 'errors', or remove one of the links, and set the rule again. "
    "Nothing was changed.",
)  # fmt: skip
SESSION_IS_OPEN = Kind(
    "session-is-open", 409, "A session is already open.",
    "Continue the open session, move it to the version, or close it with an outcome.",
)  # fmt: skip
SEVERAL_SETS_MATCH = Kind(
    "several-sets-match", 409, "Several question sets match this prospect.",
    "Name one of them in 'question_set', or publish them with different priorities.",
)  # fmt: skip
SESSION_IS_CLOSED = Kind(
    "session-is-closed", 409, "The session is closed.",
    "Open a new session for the prospect.",
)  # fmt: skip
KEY_IN_FLIGHT = Kind(
    "idempotency-key-in-flight", 409, "The first request with this idempotency key is still running.",
    "Send the same request again after the number of seconds in Retry-After.",
)  # fmt: skip
NO_ENCRYPTION_KEY = Kind(
    "no-encryption-key", 409, "The service has no key to encrypt secrets with.",
    "Ask the operator to set PROSPECT_FIT_ENCRYPTION_KEY for every process: 'openssl rand -base64 32' prints "
    "such a key.",
)  # fmt: skip
LAST_ADMIN_KEY = Kind(
    "last-admin-key", 409, "This is the last API key with the scope admin that does not expire.",
    "Create another key with the scope admin that does not expire, and use it to revoke this one.",
)  # fmt: skip
CANNOT_ROTATE = Kind(
    "cannot-rotate", 409, "This API key cannot be rotated.",
    "Do what 'detail' says.",
)  # fmt: skip
NOTHING_TO_SEND = Kind(
    "nothing-to-send", 409, "There is nothing to send yet.",
    "Qualify a prospect that the webhook is about, with the link or deal that its URL needs, and try again.",
)  # fmt: skip
CURSOR_GONE = Kind(
    "cursor-gone", 410, "The change feed no longer contains the event that the cursor names.",
    "Start over. Either read every event again with 'after=0', and skip those whose id you know. Or read the "
    "newest cursor with 'after=latest', then the current state from the lists, then the events after that "
    "cursor.",
)  # fmt: skip
STALE_REVISION = Kind(
    "stale-revision", 412, "The resource has changed since the revision that you sent.",
    "Read it again, check what changed, and send the new revision.",
)  # fmt: skip
BODY_TOO_LARGE = Kind(
    "body-too-large", 413, "The body is too large.",
    "Send less at a time. The limit is the setting PROSPECT_FIT_MAX_BODY_BYTES.",
)  # fmt: skip
IMPORT_TOO_LARGE = Kind(
    "import-too-large", 413, "The file is too large for one request.",
    "Divide the file, or import it with 'prospect-fit import', which has no limit. The limit is the setting "
    "PROSPECT_FIT_IMPORT_BYTES. Nothing was written.",
)  # fmt: skip
TOO_MANY_ROWS = Kind(
    "too-many-rows", 413, "The import or the batch has too many rows for one request.",
    "The earlier rows are stored. Send a file again with the last 'committed_to' as 'after_line', until "
    "'done' is true. Send a batch again from the line of this problem on. The limit is the setting "
    "PROSPECT_FIT_IMPORT_ROWS.",
)  # fmt: skip
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported-media-type", 415, "This operation does not accept the media type of the body.",
    "Send JSON, or the type that 'detail' names, with a matching Content-Type. With curl: -H 'Content-Type: "
    "application/json'.",
)  # fmt: skip
RANGE_NOT_SATISFIABLE = Kind(
    "range-not-satisfiable", 416, "The file does not have the range that the request asks for.",
    "Leave out the header Range, or ask for a range within the size that Content-Range names.",
)  # fmt: skip
INVALID_REQUEST = Kind(
    "invalid-request", 422, "The request contains values that are not valid.",
    "Correct every field in 'errors' and send the request again. Nothing was written.",
)  # fmt: skip
KEY_REUSED = Kind(
    "idempotency-key-reused", 422, "The idempotency key was used for another request.",
    "Use a new key for each new request. Use the same key only to send the same request again.",
)  # fmt: skip
DRAFT_HAS_FLAWS = Kind(
    "draft-has-flaws", 422, "The draft cannot be published yet.",
    "Correct every place in the draft that 'errors' names, save it, and try again.",
)  # fmt: skip
REVISION_REQUIRED = Kind(
    "revision-required", 428, "The request has to name the revision that it is based on.",
    "Read the resource, and send its 'revision' as If-Match: \"3\", or in the body if it has that "
    "field.",
)  # fmt: skip
QUOTA_EXCEEDED = Kind(
    "quota-exceeded", 429, "A quota is used up.",
    "Nothing was written. Send the request again after the number of seconds in Retry-After. If the quota is "
    "too low, the operator can raise the setting that 'detail' names.",
)  # fmt: skip
HEAD_TOO_LARGE = Kind(
    "head-too-large", 431, "The request line and the headers are too large.",
    "Send fewer and shorter headers, and put long values in a body.",
)  # fmt: skip
INTERNAL_ERROR = Kind(
    "internal-error", 500, "The service failed.",
    "Nothing was written. Try again. If it fails again, give the operator the request_id.",
)  # fmt: skip
UNAVAILABLE = Kind(
    "unavailable", 503, "The service cannot complete the request at the moment.",
    "Try again after the number of seconds in Retry-After. Nothing was written, unless the connection "
    "broke during the commit, or 'detail' says that this is not certain.",
)  # fmt: skip
WRONG_ENCRYPTION_KEY = Kind(
    "wrong-encryption-key", 503, "The service cannot decrypt its secrets.",
    "Ask the operator to run 'prospect-fit doctor' and to start every process with the encryption key of the "
    "database. Then send the request again. Nothing was written.",
)  # fmt: skip
DATABASE_READ_ONLY = Kind(
    "database-read-only", 503, "The database does not accept writes.",
    "Nothing was written. Ask the operator to make the database writable, and send the request again.",
)  # fmt: skip
DATABASE_FULL = Kind(
    "database-full", 507, "The database has no space left.",
    "Nothing was written. Ask the operator to free space on the disk of the database, and send the request "
    "again.",
)  # fmt: skip
# The failures that the database causes: the same request can succeed later.
DATABASE_FAILURES = frozenset({UNAVAILABLE, DATABASE_READ_ONLY, DATABASE_FULL})
OVERLOADED = Kind(
    "overloaded", 503, "The service cannot handle the request now.",
    "Try again after the number of seconds in Retry-After. Nothing was written.",
)  # fmt: skip

CATALOGUE: tuple[Kind, ...] = tuple(
    sorted((kind for kind in globals().values() if isinstance(kind, Kind)), key=lambda k: k.status)
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is not valid. `code` is stable, for programs; `detail` is for people."""

    where: Where
    pointer: str
    code: str
    detail: str


class UserError(Exception):
    """A failure of a command that its user can correct. The message is for the user."""


class Problem(Exception):
    """A failure that is returned to the caller. `detail` never repeats what was sent."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{kind.slug}: {detail}")
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(flaws: Iterable[Flaw], where: Where = "body") -> Problem:
    """Return an INVALID_REQUEST problem that names every flaw, of which there is at least one.

    The edge converts `Flawed` exceptions with this function.
    """
    return problem_from_flaws(INVALID_REQUEST, flaws, where)


def problem_from_flaws(kind: Kind, flaws: Iterable[Flaw], where: Where) -> Problem:
    """Return a problem of a kind that names every flaw. There is at least one."""
    errors = [FieldError(where, flaw.pointer, flaw.kind, flaw.detail) for flaw in flaws]
    first_error = errors[0]
    suffix = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(kind, f"{first_error.pointer or '/'}: {first_error.detail}{suffix}", errors)


def invalid_field(pointer: str, code: str, detail: str, where: Where = "body") -> Problem:
    """Return an INVALID_REQUEST problem for one field. `pointer` is a JSON pointer; "" is the whole body."""
    return invalid([Flaw(pointer, detail, code)], where)


def require_values(sent: Mapping[str, object], required: Iterable[str]) -> None:
    """Check that none of the required fields of a change was sent as null.

    Raises:
        Problem: INVALID_REQUEST for the first one that was.
    """
    for name in required:
        if name in sent and sent[name] is None:
            detail = "it cannot be null: leave it out to keep the current value"
            raise invalid_field(f"/{name}", "wrong_type", detail)


def require_known_ids(field: str, ids: Iterable[UUID], known: Collection[UUID]) -> None:
    """Check the ids in a list field.

    Raises:
        Problem: INVALID_REQUEST for the first id that is not one of the known ids.
    """
    for number, identifier in enumerate(ids):
        if identifier not in known:
            detail = "nothing here has this id: send an id from the list"
            raise invalid_field(f"/{field}/{number}", "unknown", detail)


def require_revision(resource: str, current: int, sent: int | None) -> None:
    """Check the revision that the caller sent; `resource` is its kind, such as "prospect".

    Raises:
        Problem: REVISION_REQUIRED if the caller sent none, STALE_REVISION if it is not the current one.
    """
    if sent is None:
        raise revision_required(resource)
    if sent != current:
        raise Problem(STALE_REVISION, f"The {resource} is at revision {current}.")


def revision_required(resource: str) -> Problem:
    """Return a REVISION_REQUIRED problem for a kind of resource."""
    return Problem(REVISION_REQUIRED, f"The request does not name the revision of the {resource}.")


def missing(resource: str) -> Problem:
    """Return a NOT_FOUND problem for a resource, such as "webhook of that id"."""
    return Problem(NOT_FOUND, f"There is no {resource}.")


def too_large_line(max_bytes: int) -> Problem:
    """Return a BODY_TOO_LARGE problem for one line of a body or a file."""
    return Problem(BODY_TOO_LARGE, f"The line is longer than {max_bytes} bytes.")


def quota_exceeded(detail: str, setting: str, retry_after: int) -> Problem:
    """Return a QUOTA_EXCEEDED problem for the limit of a setting. `retry_after` is in seconds."""
    headers = {"Retry-After": str(retry_after)}
    return Problem(QUOTA_EXCEEDED, f"{detail} The limit is the setting {setting}.", headers=headers)


def unavailable(detail: str, retry_after: int = RETRY_AFTER_SECONDS) -> Problem:
    """Return an UNAVAILABLE problem. `retry_after` is in seconds."""
    return Problem(UNAVAILABLE, detail, headers={"Retry-After": str(retry_after)})


def overloaded(detail: str) -> Problem:
    """Return an OVERLOADED problem."""
    return Problem(OVERLOADED, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
