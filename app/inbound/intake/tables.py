"""Tables of intakes, their receipts with the payloads, and the signatures that were seen."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, Index, LargeBinary, SQLModel, text

from app.db import UtcDateTime
from app.encryption.tables import EncryptedText, is_encrypted
from app.events.tables import BIG_INTEGER


class Intake(SQLModel, table=True):
    """An intake. `digest` is the SHA-256 of the token; the token itself is not stored.

    The secret is encrypted: signatures are computed with it.
    """

    __tablename__ = "intake"
    __table_args__ = (
        CheckConstraint("keep_hours >= 1", name="ck_intake_keep_hours"),
        CheckConstraint("revision >= 1", name="ck_intake_revision"),
        CheckConstraint(is_encrypted("hubspot_secret"), name="ck_intake_hubspot_secret"),
    )

    id: UUID = Field(primary_key=True)
    name: str
    prefix: str
    digest: str = Field(unique=True)
    mapping: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    question_set: str | None = None
    hubspot_secret: str | None = Field(default=None, sa_type=EncryptedText("hubspot secret"))
    keep_hours: int
    revision: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class IntakeReceipt(SQLModel, table=True):
    """One unchanged payload. Ids increase with time: receipts are processed in the order of their ids."""

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


class IntakeSignature(SQLModel, table=True):
    """A signature that was seen, to detect a replay, even after its payload was erased."""

    __tablename__ = "intake_signature"
    __table_args__ = (Index("ix_intake_signature_seen_at", "seen_at"),)

    intake_id: UUID = Field(primary_key=True, foreign_key="intake.id", ondelete="CASCADE")
    signature: str = Field(primary_key=True)
    seen_at: datetime = Field(sa_type=UtcDateTime)


class IntakeUsage(SQLModel, table=True):
    """How much of its quotas an intake has used in the hour that begins at `hour`.

    It is counted here and not from the receipts, because they can be deleted, and counting them takes longer.
    """

    __tablename__ = "intake_usage"

    intake_id: UUID = Field(primary_key=True, foreign_key="intake.id", ondelete="CASCADE")
    hour: datetime = Field(sa_type=UtcDateTime)
    posts: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))
    bytes: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))


class IntakeItem(SQLModel, table=True):
    """A record that a processed payload is about, so that the payload is erased together with its prospect.

    `place` orders the items of one payload. If the payload failed, there is no session, and there may be no
    prospect.
    """

    __tablename__ = "intake_item"
    __table_args__ = (
        Index("ix_intake_item_link", "source", "external_id"),
        Index("ix_intake_item_prospect_id", "prospect_id"),
    )

    receipt_id: UUID = Field(primary_key=True, foreign_key="intake_receipt.id", ondelete="CASCADE")
    place: int = Field(primary_key=True)
    source: str
    external_id: str
    prospect_id: UUID | None = Field(default=None, foreign_key="prospect.id", ondelete="CASCADE")
    session_id: UUID | None = None
