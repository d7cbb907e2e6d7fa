"""API keys in requests and responses, and their scopes."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

from app.schemas import Day, Line, Out, WriteIn
from app.scoring import whole


class Scope(StrEnum):
    """What a key may do. `admin` includes every other scope."""

    SCORE = "score"
    READ = "read"
    WRITE = "write"
    AUTHOR = "author"
    ADMIN = "admin"


SCOPES = {
    Scope.SCORE: "score answers without storing them, and read question sets",
    Scope.READ: "read prospects, sessions and fits",
    Scope.WRITE: "create and change prospects and sessions, and read each one in the response",
    Scope.AUTHOR: "write question sets, see what a draft would change, set up webhooks and read receipts of "
    "intakes (with the scope read), and set up intakes (with the scope write)",
    Scope.ADMIN: "everything, including API keys",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: the API key, and the person whom it belongs to.

    Idempotency keys belong to `origin_id`, which a key has in common with its successors.
    """

    key_id: UUID
    origin_id: UUID
    name: str
    person: str | None
    scopes: frozenset[str]
    expires_at: datetime | None

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope, or `admin`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def _before_last_day(day: date) -> date:
    if day == date.max:
        raise ValueError("send an earlier day")
    return day


class NewKey(WriteIn):
    """An API key to create."""

    name: Annotated[Line, Field(description="who or what uses the key", examples=["salesforce"])]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5, examples=[["read", "write"]])]
    person: Annotated[
        Line | None,
        Field(
            description="the person whom the key belongs to, and the actor of requests that name nobody",
            examples=["ana@example.com"],
        ),
    ] = None
    expires_on: Annotated[
        Annotated[Day, AfterValidator(_before_last_day)] | None,
        Field(description="the last day, in UTC, on which the key works", examples=["2027-01-31"]),
    ] = None


class KeyRotation(WriteIn):
    """How to rotate a key."""

    overlap_hours: Annotated[
        int,
        Field(strict=True, ge=0, le=8760, description="number of hours for which the old key still works"),
        BeforeValidator(whole),
    ] = 24


class KeyOut(Out):
    """An API key, without the secret."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="how the key begins", examples=["pfk_4fZq0s"])]
    scopes: list[Scope]
    person: str | None
    created_at: datetime
    expires_on: Annotated[date | None, Field(description="the last day, in UTC, on which the key works")]
    expires_at: Annotated[datetime | None, Field(description="when the key stops working")]
    revoked_at: datetime | None
    replaces: Annotated[UUID | None, Field(description="the key whose successor this one is")]
    successor: Annotated[UUID | None, Field(description="the key that replaces this one")]


class KeyCreated(KeyOut):
    """A new API key. The key is shown only in this response."""

    key: Annotated[str, Field(repr=False)]


class KeyList(Out):
    items: list[KeyOut]
