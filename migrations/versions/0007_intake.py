"""Intakes, the payloads that they take in, and whom these are about."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    _create_intake()
    _create_receipt()
    _create_item()


def _create_intake() -> None:
    op.create_table(
        "intake",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("question_set", sa.String(), nullable=True),
        sa.Column("hubspot_secret", sa.String(), nullable=True),
        sa.Column("keep_hours", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("keep_hours >= 1", name="ck_intake_keep_hours"),
        sa.CheckConstraint("revision >= 1", name="ck_intake_revision"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )


def _create_receipt() -> None:
    op.create_table(
        "intake_receipt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("intake_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('received', 'done', 'failed')", name="ck_intake_receipt_status"),
        sa.ForeignKeyConstraint(["intake_id"], ["intake.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_intake_receipt_intake_id", "intake_receipt", ["intake_id", "id"])
    op.create_index("ix_intake_receipt_status", "intake_receipt", ["intake_id", "status", "id"])
    op.create_index("ix_intake_receipt_received_at", "intake_receipt", ["intake_id", "received_at"])
    op.create_index("uq_intake_receipt_signature", "intake_receipt", ["intake_id", "signature"], unique=True)
    op.create_index(
        "ix_intake_receipt_waiting",
        "intake_receipt",
        ["id"],
        sqlite_where=sa.text("status = 'received'"),
        postgresql_where=sa.text("status = 'received'"),
    )


def _create_item() -> None:
    op.create_table(
        "intake_item",
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("prospect_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["receipt_id"], ["intake_receipt.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("receipt_id", "place"),
    )
    op.create_index("ix_intake_item_link", "intake_item", ["source", "external_id"])
    op.create_index("ix_intake_item_prospect_id", "intake_item", ["prospect_id"])
