"""API keys in requests and responses, and their scopes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.schemas import Line, Out, WriteIn


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
    """Who makes a request: the id, the name and the scopes of the API key."""

    key_id: UUID
    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope, or `admin`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class NewKey(WriteIn):
    """An API key to create."""

    name: Annotated[Line, Field(description="who or what uses the key", examples=["salesforce"])]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5, examples=[["read", "write"]])]


class KeyOut(Out):
    """An API key, without the secret."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="how the key begins", examples=["pfk_4fZq0s"])]
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None


class KeyCreated(KeyOut):
    """A new API key. The key is shown only in this response."""

    key: Annotated[str, Field(repr=False)]


class KeyList(Out):
    items: list[KeyOut]
