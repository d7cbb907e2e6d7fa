"""Tables of intakes, their receipts with the payloads, and the signatures that were seen."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, Index, LargeBinary, text

from app.db import Table, UtcDateTime
from app.encryption.tables import EncryptedText, is_encrypted
from app.events.tables import BIG_INTEGER


class Intake(Table, table=True):
    """An intake. `digest` is the SHA-256 of the token; the token itself is not stored.

    The secret is encrypted: signatures are computed with it.
    """

    __tablename__ = "intake"
    __table_args__ = (
        CheckConstraint("keep_hours >= 1", name="ck_intake_keep_hours"),
        CheckConstraint("revision >= 1", name="ck_intake_revision"),
        CheckConstraint(is_encrypted("signature_secret"), name="ck_intake_signature_secret"),
        CheckConstraint(
            "(signature IS NULL) = (signature_secret IS NULL)", name="ck_intake_signature_complete"
        ),
    )

    id: UUID = Field(primary_key=True)
    name: str
    prefix: str
    digest: str = Field(unique=True)
    mapping: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    question_set: str | None = None
    signature: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    signature_secret: str | None = Field(default=None, sa_type=EncryptedText("signature secret"))
    keep_hours: int
    revision: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class IntakeReceipt(Table, table=True):
    """One unchanged payload. Ids increase with time: receipts are processed in the order of their ids.

    `processed_at` is when it was last processed. A receipt that waits has it only if it is replayed.
    """

    __tablename__ = "intake_receipt"
    __table_args__ = (
        CheckConstraint("status IN ('received', 'done', 'failed')", name="ck_intake_receipt_status"),
        Index("ix_intake_receipt_intake_id", "intake_id", "id"),
        Index("ix_intake_receipt_status", "intake_id", "status", "id"),
        Index("ix_intake_receipt_received_at", "intake_id", "received_at"),
        Index(
            "ix_intake_receipt_waiting",
            "id",
            sqlite_where=text("status = 'received'"),
            postgresql_where=text("status = 'received'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    intake_id: UUID = Field(foreign_key="intake.id", ondelete="CASCADE")
    received_at: datetime = Field(sa_type=UtcDateTime)
    media_type: str
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    status: str = "received"
    problem: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    processed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class IntakeSignature(Table, table=True):
    """A signature that was seen, to detect a replay, even after its payload was erased."""

    __tablename__ = "intake_signature"
    __table_args__ = (Index("ix_intake_signature_seen_at", "seen_at"),)

    intake_id: UUID = Field(primary_key=True, foreign_key="intake.id", ondelete="CASCADE")
    signature: str = Field(primary_key=True)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class IntakeUsage(Table, table=True):
    """How much of its quotas an intake has used in the hour that begins at `hour`.

    It is counted here and not from the receipts, because they can be deleted, and counting them takes longer.
    """

    __tablename__ = "intake_usage"

    intake_id: UUID = Field(primary_key=True, foreign_key="intake.id", ondelete="CASCADE")
    hour: datetime = Field(sa_type=UtcDateTime)
    posts: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))
    bytes: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))


class IntakeItem(Table, table=True):
    """An item of a payload, so that the payload is erased together with the prospect that it is about.

    `place` orders the items of one payload. Only an item that is done has a session. `external_id` is null
    if the mapping found no valid id.
    """

    __tablename__ = "intake_item"
    __table_args__ = (
        CheckConstraint("status IN ('received', 'done', 'failed', 'skipped')", name="ck_intake_item_status"),
        Index("ix_intake_item_link", "source", "external_id"),
        Index("ix_intake_item_prospect_id", "prospect_id"),
    )

    receipt_id: UUID = Field(primary_key=True, foreign_key="intake_receipt.id", ondelete="CASCADE")
    place: int = Field(primary_key=True)
    status: str
    source: str
    external_id: str | None = None
    prospect_id: UUID | None = Field(default=None, foreign_key="prospect.id", ondelete="CASCADE")
    session_id: UUID | None = None
    problem: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
