"""Drafts of question sets, answers that go stale, are carried over or taken back."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

RATING_OR_STATE = (
    "state IN ('rated', 'not_applicable', 'unknown', 'open') AND (state = 'rated') = (rating IS NOT NULL)"
)

PROSPECT_CHECKS = {"ck_prospect_subject": "subject IN ('prospect', 'own_company', 'person')"}
SESSION_CHECKS = {
    "ck_session_rank": "rank BETWEEN 0 AND 5",
    "ck_session_indication": "indication IN ('fit', 'undetermined', 'mixed', 'no_fit', 'unscorable')",
    "ck_session_decision": "decision IN ('pursue', 'nurture', 'disqualify')",
    "ck_session_outcome": "outcome IN ('won', 'lost', 'no_decision')",
}


def _drafts() -> None:
    op.create_table(
        "question_set_draft",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.String(), nullable=False),
        sa.CheckConstraint("revision >= 1", name="ck_question_set_draft_revision"),
        sa.PrimaryKeyConstraint("key"),
    )


def _add_column(table: str, column: str, checks: dict[str, str]) -> None:
    """SQLite takes a CHECK only together with a new column, but then one of any columns."""
    told = " ".join(f"CONSTRAINT {name} CHECK ({check})" for name, check in checks.items())
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {told}")


def _prospects() -> None:
    _add_column("prospect", "subject VARCHAR DEFAULT 'prospect' NOT NULL", PROSPECT_CHECKS)


def _keep_versions() -> None:
    """What sessions were scored with is never deleted, and neither are the numbers that were used."""
    if op.get_bind().dialect.name == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'a published version is kept'); END"
    else:
        refuse = "FOR EACH ROW EXECUTE FUNCTION question_set_version_immutable()"
    op.execute(f"CREATE TRIGGER question_set_version_kept BEFORE DELETE ON question_set_version {refuse}")


def _sessions() -> None:
    time = "DATETIME" if op.get_bind().dialect.name == "sqlite" else "TIMESTAMP WITH TIME ZONE"
    _add_column("session", f"valid_until {time}", SESSION_CHECKS)
    op.create_index("ix_session_question_set", "session", ["question_set", "id"], unique=False)
    op.create_index(
        "ix_session_valid_until",
        "session",
        ["valid_until"],
        unique=False,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )


def _carried_from() -> sa.Column[Any]:
    giver = sa.ForeignKey("session.id", ondelete="SET NULL")
    return sa.Column("carried_from", sa.Uuid(), giver, nullable=True)


def _make_answers_anew() -> None:
    """SQLite can change neither a CHECK nor a foreign key of a table that is there."""
    op.create_table(
        "answer_anew",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        _carried_from(),
        sa.CheckConstraint("evidence IN ('fact', 'judgement', 'assumption')", name="ck_answer_evidence"),
        sa.CheckConstraint(RATING_OR_STATE, name="ck_answer_rating_or_state"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "question"),
    )
    op.execute("INSERT INTO answer_anew SELECT *, NULL FROM answer")
    op.drop_table("answer")
    op.rename_table("answer_anew", "answer")


def _answers() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _make_answers_anew()
    else:
        op.drop_constraint("ck_answer_rating_or_state", "answer", type_="check")
        op.create_check_constraint("ck_answer_rating_or_state", "answer", sa.text(RATING_OR_STATE))
        op.add_column("answer", _carried_from())
    op.create_index(
        "ix_answer_carried_from",
        "answer",
        ["carried_from"],
        unique=False,
        sqlite_where=sa.text("carried_from IS NOT NULL"),
        postgresql_where=sa.text("carried_from IS NOT NULL"),
    )


def upgrade() -> None:
    _drafts()
    _prospects()
    _keep_versions()
    _sessions()
    _answers()
