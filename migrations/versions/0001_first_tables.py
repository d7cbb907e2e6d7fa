"""The first tables, and triggers that keep what must never change."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


# What an UPDATE may not touch. A published version may be retired, and nothing else.
IMMUTABLE = {
    "question_set_version": "a published version is immutable",
    "session_revision": "the history is append-only",
    "decision": "decisions are append-only",
    "outcome": "outcomes are append-only",
}
RETIRING = """OLD.status = 'published' AND NEW.status = 'retired'
    AND NEW.key = OLD.key AND NEW.version = OLD.version AND NEW.builtin = OLD.builtin
    AND NEW.published_at = OLD.published_at AND NEW.content_hash = OLD.content_hash
    AND CAST(NEW.definition AS TEXT) = CAST(OLD.definition AS TEXT)"""


def _refuse_updates(table: str, what: str) -> None:
    unless = RETIRING if table == "question_set_version" else "FALSE"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {table}_immutable BEFORE UPDATE ON {table} WHEN NOT ({unless})"
            f" BEGIN SELECT RAISE(ABORT, '{what}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_immutable() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{what}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_immutable BEFORE UPDATE ON {table}"
        f" FOR EACH ROW WHEN (NOT ({unless})) EXECUTE FUNCTION {table}_immutable()"
    )


def _api_keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("shown", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("made_by IN ('setting', 'command', 'api')", name="ck_api_key_made_by"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )


def _prospects() -> None:
    op.create_table(
        "prospect",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("searchable", sa.String(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _question_set_versions() -> None:
    op.create_table(
        "question_set_version",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("builtin", sa.Boolean(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.CheckConstraint("status IN ('published', 'retired')", name="ck_question_set_version_status"),
        sa.CheckConstraint("version >= 1", name="ck_question_set_version_version"),
        sa.PrimaryKeyConstraint("key", "version"),
    )


def _prospect_links() -> None:
    op.create_table(
        "prospect_link",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("prospect_id", sa.Uuid(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "external_id"),
    )
    op.create_index("ix_prospect_link_external_id", "prospect_link", ["external_id"], unique=False)
    op.create_index("ix_prospect_link_prospect_id", "prospect_link", ["prospect_id"], unique=False)


def _sessions() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prospect_id", sa.Uuid(), nullable=False),
        sa.Column("deal", sa.String(), nullable=False),
        sa.Column("question_set", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("indication", sa.String(), nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("lowest", sa.Float(), nullable=True),
        sa.Column("highest", sa.Float(), nullable=True),
        sa.Column("coverage", sa.Float(), nullable=True),
        sa.Column("grade", sa.String(), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="ck_session_closed_at"),
        sa.CheckConstraint("status IN ('open', 'closed')", name="ck_session_status"),
        sa.CheckConstraint("revision >= 1", name="ck_session_revision"),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["question_set", "version"],
            ["question_set_version.key", "question_set_version.version"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_session_prospect_id", "session", ["prospect_id", "question_set"], unique=False)
    op.create_index("ix_session_ranked", "session", ["rank", "lowest"], unique=False)
    op.create_index(
        "uq_session_open",
        "session",
        ["prospect_id", "deal", "question_set"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )


def _answers() -> None:
    op.create_table(
        "answer",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("evidence IN ('fact', 'judgement', 'assumption')", name="ck_answer_evidence"),
        sa.CheckConstraint(
            "state IN ('rated', 'not_applicable', 'unknown') AND (state = 'rated') = (rating IS NOT NULL)",
            name="ck_answer_rating_or_state",
        ),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "question"),
    )


def _session_revisions() -> None:
    op.create_table(
        "session_revision",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_name", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column("score", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "revision"),
    )


def _decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("match_word", sa.String(), nullable=True),
        sa.Column("benefit_word", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("revisit_on", sa.Date(), nullable=True),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("key_name", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("benefit_word IN ('yes', 'no', 'unsure')", name="ck_decision_benefit"),
        sa.CheckConstraint("decision IN ('pursue', 'nurture', 'disqualify')", name="ck_decision_decision"),
        sa.CheckConstraint("match_word IN ('yes', 'no', 'unsure')", name="ck_decision_match"),
        sa.ForeignKeyConstraint(
            ["session_id", "revision"],
            ["session_revision.session_id", "session_revision.revision"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decision_session_id", "decision", ["session_id"], unique=False)


def _outcomes() -> None:
    op.create_table(
        "outcome",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("key_name", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('won', 'lost', 'no_decision')", name="ck_outcome_outcome"),
        sa.ForeignKeyConstraint(
            ["session_id", "revision"],
            ["session_revision.session_id", "session_revision.revision"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outcome_session_id", "outcome", ["session_id"], unique=False)


def upgrade() -> None:
    _api_keys()
    _prospects()
    _question_set_versions()
    _prospect_links()
    _sessions()
    _answers()
    _session_revisions()
    _decisions()
    _outcomes()
    for table, what in IMMUTABLE.items():
        _refuse_updates(table, what)
