"""What the values of other systems mean here."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "value_alias",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("sent", sa.String(), nullable=False),
        sa.Column("means", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("source", "field", "sent"),
    )
