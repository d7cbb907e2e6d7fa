"""The tables of webhooks and their deliveries."""

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, Index, text

from app.db import Table, UtcDateTime
from app.encryption.tables import EncryptedText, is_encrypted
from app.events.tables import BIG_INTEGER

DeliveryStatus = Literal["pending", "delivered", "failed", "superseded", "skipped"]
STATUSES: tuple[DeliveryStatus, ...] = get_args(DeliveryStatus)
HAS_WHOLE_PACE = "(rate IS NULL) = (rate_since IS NULL) AND (rate IS NULL) = (pause_seconds IS NULL)"


class Webhook(Table, table=True):
    """A subscription to events. Its secrets are encrypted.

    `types` holds event types and groups such as `score.*`; an empty list means all. `record_update` holds
    the `StoredRecordUpdate` of a webhook that updates records, and `credential` its `Credential`.
    `paused_until` comes from a receiver that is busy. If it responded with 429, `rate`, `rate_since` and
    `pause_seconds` are the `Pace`, and `next_send_at` is when the next request can be sent at this pace.

    Every event up to `position` that matches has its delivery, except those in the `backlog`: the `Waiting`
    ranges of the feed from before the filter or the status changed, oldest first. None means empty.
    """

    __tablename__ = "webhook"
    __table_args__ = (
        CheckConstraint("payload IN ('thin', 'full', 'record')", name="ck_webhook_payload"),
        CheckConstraint("status IN ('active', 'disabled')", name="ck_webhook_status"),
        CheckConstraint(is_encrypted("secret"), name="ck_webhook_secret"),
        CheckConstraint(is_encrypted("old_secret"), name="ck_webhook_old_secret"),
        CheckConstraint(is_encrypted("credential"), name="ck_webhook_credential"),
        CheckConstraint("(record_update IS NULL) = (credential IS NULL)", name="ck_webhook_record_update"),
        CheckConstraint(HAS_WHOLE_PACE, name="ck_webhook_pace"),
    )

    id: UUID = Field(primary_key=True)
    name: str | None = None
    url: str
    types: list[str] = Field(sa_column=Column(JSON, nullable=False))
    question_set: str | None = None
    payload: str
    record_update: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    credential: str | None = Field(default=None, sa_type=EncryptedText("credential"))
    secret: str = Field(sa_type=EncryptedText("signing secret"))
    old_secret: str | None = Field(default=None, sa_type=EncryptedText("signing secret"))
    old_secret_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    status: str = "active"
    disabled_because: str | None = None
    paused_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    rate: float | None = None
    rate_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    pause_seconds: float | None = None
    next_send_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    position: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))
    backlog: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    revision: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class Delivery(Table, table=True):
    """One event for one webhook: part of the outbox while it is pending, and of the log afterwards.

    A delivery is deleted with its event: after a prospect is erased, only the event about that is sent.
    The process that sends a delivery has a lease on it until `leased_until`, which also identifies the lease.
    `external_id` is the link whose record is updated; it is '' until the delivery is sent for the first time,
    and if no link identifies the record.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        CheckConstraint(f"status IN ({', '.join(map(repr, STATUSES))})", name="ck_webhook_delivery_status"),
        Index("uq_webhook_delivery", "webhook_id", "event_id", "external_id", unique=True),
        Index("ix_webhook_delivery_event_id", "event_id"),
        Index("ix_webhook_delivery_position", "webhook_id", "position"),
        Index("ix_webhook_delivery_status", "webhook_id", "status", "position"),
        Index("ix_webhook_delivery_settled_at", "settled_at"),
        Index(
            "ix_webhook_delivery_due",
            "webhook_id",
            "due_at",
            "status",
            sqlite_where=text("status = 'pending'"),
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "ix_webhook_delivery_leased",
            "webhook_id",
            sqlite_where=text("leased_until IS NOT NULL"),
            postgresql_where=text("leased_until IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    webhook_id: UUID = Field(foreign_key="webhook.id", ondelete="CASCADE")
    event_id: UUID = Field(foreign_key="event.id", ondelete="CASCADE")
    position: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))
    session_id: UUID | None = None
    external_id: str = ""
    status: str = "pending"
    attempts: int = 0
    due_at: datetime = Field(sa_type=UtcDateTime)
    leased_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_status: int | None = None
    last_error: str | None = None
    last_answer: str | None = None
    last_milliseconds: int | None = None
