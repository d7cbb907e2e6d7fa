"""A signature is known again after the payload that bore it was erased."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "intake_signature",
        sa.Column("intake_id", sa.Uuid(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["intake_id"], ["intake.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("intake_id", "signature"),
    )
    op.create_index("ix_intake_signature_seen_at", "intake_signature", ["seen_at"])
    op.execute(
        "INSERT INTO intake_signature (intake_id, signature, seen_at) "
        "SELECT intake_id, signature, received_at FROM intake_receipt WHERE signature IS NOT NULL"
    )
    op.drop_index("uq_intake_receipt_signature", "intake_receipt")
    op.drop_column("intake_receipt", "signature")
