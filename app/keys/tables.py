"""The tables of API keys and of the responses stored under idempotency keys."""

from datetime import datetime
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, Index

from app.db import Table, UtcDateTime


class IdempotentResponse(Table, table=True):
    """The response to a write, stored under its idempotency key so that it can be returned again.

    It is deleted together with the prospect that it is about.
    """

    __tablename__ = "idempotency"
    __table_args__ = (
        Index("ix_idempotency_claimed_at", "claimed_at"),
        Index("ix_idempotency_prospect_id", "prospect_id"),
    )

    api_key_id: UUID = Field(primary_key=True, foreign_key="api_key.id")
    key: str = Field(primary_key=True)
    fingerprint: str
    claimed_at: datetime = Field(sa_type=UtcDateTime)
    status: int | None = None
    body: str | None = None
    revision: int | None = None
    prospect_id: UUID | None = Field(default=None, foreign_key="prospect.id", ondelete="CASCADE")


class ApiKey(Table, table=True):
    """An API key. `digest` is the SHA-256 of the secret; the secret itself is stored nowhere.

    `person` is whom the key belongs to, and `expires_at` the time from which it no longer works. A successor
    `replaces` another key. `origin_id` is the first key of such a line, or the key itself.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        CheckConstraint("made_by IN ('setting', 'command', 'api')", name="ck_api_key_made_by"),
        CheckConstraint("(replaces IS NULL) = (origin_id = id)", name="ck_api_key_origin_id"),
    )

    id: UUID = Field(primary_key=True)
    name: str
    person: str | None = None
    prefix: str
    digest: str = Field(unique=True)
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    made_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    replaces: UUID | None = Field(default=None, foreign_key="api_key.id", unique=True)
    origin_id: UUID = Field(foreign_key="api_key.id")


class SignInLink(Table, table=True):
    """An address that signs a browser in once, with an API key. `digest` is the SHA-256 of its secret."""

    __tablename__ = "sign_in_link"

    digest: str = Field(primary_key=True)
    api_key_id: UUID = Field(foreign_key="api_key.id")
    expires_at: datetime = Field(sa_type=UtcDateTime)
