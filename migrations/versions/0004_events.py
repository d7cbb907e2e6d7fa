"""The change feed: events, and the last position that was given in it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TYPES = (
    "type IN ('prospect.created', 'prospect.updated', 'prospect.linked', 'prospect.unlinked', "
    "'prospect.merged', 'prospect.erased', 'session.opened', 'session.answered', 'session.moved', "
    "'score.changed', 'indication.settled', 'indication.reopened', 'decision.recorded', "
    "'outcome.recorded', 'question_set.published', 'question_set.retired')"
)


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", NUMBER, nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prospect_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("question_set", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.CheckConstraint(TYPES, name="ck_event_type"),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("uq_event_id", "event", ["id"], unique=True)
    op.create_index("uq_event_position", "event", ["position"], unique=True)
    op.create_index("ix_event_type", "event", ["type", "position"], unique=False)
    op.create_index("ix_event_prospect_id", "event", ["prospect_id"], unique=False)
    op.create_index(
        "ix_event_without_position",
        "event",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    )


def _last_position() -> None:
    made = op.create_table(
        "event_last_position",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_event_last_position_id"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(made, [{"id": 1, "position": 0}])


def upgrade() -> None:
    _events()
    _last_position()
