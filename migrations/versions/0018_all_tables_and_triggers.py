"""All tables and triggers.

Earlier builds use the revisions 0001 to 0017. This migration has a new number, so that a database of an
earlier build is not taken for one with this schema.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = None

TIME = sa.DateTime(timezone=True)
# The order in which texts that begin alike are together. It is SQLite's own order.
IN_CODE_POINT_ORDER = sa.String().with_variant(sa.String(collation="C"), "postgresql")
# SQLite assigns row ids automatically only if the type of the column is INTEGER.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ANSWER_STATES = (
    "state IN ('rated', 'not_applicable', 'unknown', 'open') AND (state = 'rated') = (rating IS NOT NULL)"
)
INDICATION_WORDS = "('fit', 'no_fit', 'mixed', 'undetermined', 'unscorable')"
EVENT_TYPE_CHECK = (
    "type IN ('prospect.created', 'prospect.updated', 'prospect.linked', 'prospect.unlinked', "
    "'prospect.merged', 'prospect.erased', 'session.opened', 'session.answered', 'session.moved', "
    "'score.changed', 'indication.settled', 'indication.reopened', 'decision.recorded', "
    "'outcome.recorded', 'revisit.due', 'answer.stale_soon', 'question_set.published', "
    "'question_set.retired')"
)
CHANGE_CHECK = (
    "change IN ('opened', 'answered', 'attributes', 'stale', 'moved', 'decided', 'outcome', 'late')"
)
DELIVERY_STATUSES = "status IN ('pending', 'delivered', 'failed', 'superseded', 'skipped')"

# The tables whose triggers reject an UPDATE, with the error message. The only allowed change of a published
# version is to retire it.
IMMUTABLE = {
    "question_set_version": "a published version is immutable",
    "session_revision": "the history is append-only",
    "decision": "decisions are append-only",
    "outcome": "outcomes are append-only",
    "frozen_verdict": "a frozen verdict does not change",
}
RETIRING = """OLD.status = 'published' AND NEW.status = 'retired'
    AND NEW.key = OLD.key AND NEW.version = OLD.version AND NEW.builtin = OLD.builtin
    AND NEW.published_at = OLD.published_at AND NEW.content_hash = OLD.content_hash
    AND CAST(NEW.definition AS TEXT) = CAST(OLD.definition AS TEXT)"""


def upgrade() -> None:
    _installation()
    _api_keys()
    _prospects()
    _prospect_terms()
    _source_rules()
    _prospect_links()
    _received_values()
    _value_aliases()
    _idempotency()
    _question_set_versions()
    _question_set_drafts()
    _sessions()
    _session_indexes()
    _answers()
    _session_revisions()
    _decisions()
    _outcomes()
    _frozen_verdicts()
    _events()
    _erased_events()
    _last_position()
    _encryption_key()
    _webhooks()
    _deliveries()
    _delivery_indexes()
    _intakes()
    _receipts()
    _signatures()
    _items()
    _usage()
    for table, what in IMMUTABLE.items():
        _refuse_updates(table, what)
    _keep_versions()


def _installation() -> None:
    made = op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database_id", sa.Uuid(), nullable=False),
        sa.Column("written_at", TIME, nullable=True),
        sa.Column("in_use_since", TIME, nullable=True),
        sa.CheckConstraint("id = 1", name="ck_installation_id"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(made, [{"id": 1, "database_id": uuid4()}])


def _api_keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.Column("origin_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("made_by IN ('setting', 'command', 'api')", name="ck_api_key_made_by"),
        sa.CheckConstraint("(replaces IS NULL) = (origin_id = id)", name="ck_api_key_origin_id"),
        sa.ForeignKeyConstraint(["origin_id"], ["api_key.id"]),
        sa.ForeignKeyConstraint(["replaces"], ["api_key.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("replaces"),
    )
    op.create_table(
        "sign_in_link",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"]),
        sa.PrimaryKeyConstraint("digest"),
    )


def _prospects() -> None:
    op.create_table(
        "prospect",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("searchable", sa.String(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("entered", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("subject", sa.String(), server_default="prospect", nullable=False),
        sa.CheckConstraint("subject IN ('prospect', 'own_company', 'person')", name="ck_prospect_subject"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_prospect_searchable", "prospect", ["searchable", "id"])
    op.create_index("ix_prospect_updated_at", "prospect", ["updated_at", "id"])
    _create_partial_index("ix_prospect_other_subject", "prospect", ["subject", "id"], "subject <> 'prospect'")


def _prospect_terms() -> None:
    op.create_table(
        "prospect_term",
        sa.Column("prospect_id", sa.Uuid(), nullable=False),
        sa.Column("term", IN_CODE_POINT_ORDER, nullable=False),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("prospect_id", "term"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_prospect_term_term", "prospect_term", ["term", "prospect_id"])


def _source_rules() -> None:
    op.create_table(
        "source_rule",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("id_rule", sa.String(), nullable=False),
        sa.CheckConstraint(
            "id_rule IN ('exact', 'ignore_case', 'salesforce')", name="ck_source_rule_id_rule"
        ),
        sa.PrimaryKeyConstraint("source"),
    )


def _prospect_links() -> None:
    op.create_table(
        "prospect_link",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("match_key", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("prospect_id", sa.Uuid(), nullable=False),
        sa.Column("linked_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "match_key"),
    )
    op.create_index("ix_prospect_link_match_key", "prospect_link", ["match_key"])
    op.create_index("ix_prospect_link_prospect_id", "prospect_link", ["prospect_id"])
    op.create_index("ix_prospect_link_source", "prospect_link", ["source", "prospect_id", "match_key"])


def _received_values() -> None:
    op.create_table(
        "received_values",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("match_key", sa.String(), nullable=False),
        sa.Column("deal", sa.String(), nullable=False),
        sa.Column("assessor", sa.String(), nullable=False),
        sa.Column("question_set", sa.String(), nullable=False),
        sa.Column("opened_on", sa.String(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source", "match_key"],
            ["prospect_link.source", "prospect_link.match_key"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source", "match_key", "deal", "assessor", "question_set", "opened_on"),
        sqlite_with_rowid=False,
    )


def _value_aliases() -> None:
    op.create_table(
        "value_alias",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("sent", sa.String(), nullable=False),
        sa.Column("means", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("source", "field", "sent"),
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("claimed_at", TIME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("prospect_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_key.id"]),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("api_key_id", "key"),
    )
    op.create_index("ix_idempotency_claimed_at", "idempotency", ["claimed_at"])
    op.create_index("ix_idempotency_prospect_id", "idempotency", ["prospect_id"])


def _question_set_versions() -> None:
    op.create_table(
        "question_set_version",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("published_at", TIME, nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("builtin", sa.Boolean(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.CheckConstraint("status IN ('published', 'retired')", name="ck_question_set_version_status"),
        sa.CheckConstraint("version >= 1", name="ck_question_set_version_version"),
        sa.PrimaryKeyConstraint("key", "version"),
    )


def _question_set_drafts() -> None:
    op.create_table(
        "question_set_draft",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("saved_at", TIME, nullable=False),
        sa.Column("saved_by", sa.String(), nullable=False),
        sa.CheckConstraint("revision >= 1", name="ck_question_set_draft_revision"),
        sa.PrimaryKeyConstraint("key"),
    )


def _sessions() -> None:
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prospect_id", sa.Uuid(), nullable=False),
        sa.Column("deal", sa.String(), nullable=False),
        sa.Column("assessor", sa.String(), nullable=False),
        sa.Column("question_set", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("indication", sa.String(), nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("leaning", sa.String(), nullable=True),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("lowest", sa.Float(), nullable=True),
        sa.Column("descending_lowest", sa.Float(), nullable=False),
        sa.Column("highest", sa.Float(), nullable=True),
        sa.Column("coverage", sa.Float(), nullable=True),
        sa.Column("grade", sa.String(), nullable=True),
        sa.Column("has_blocker", sa.Boolean(), nullable=False),
        sa.Column("former_indication", sa.String(), nullable=True),
        sa.Column("indication_changed_at", TIME, nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("answered_by", sa.String(), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("revisit_on", sa.Date(), nullable=False),
        sa.Column("revisit_pending_on", sa.Date(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("valid_until", TIME, nullable=True),
        sa.Column("next_expiry_at", TIME, nullable=True),
        *_session_checks(),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["question_set", "version"],
            ["question_set_version.key", "question_set_version.version"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _session_checks() -> list[sa.CheckConstraint]:
    conditions = {
        "closed_at": "(status = 'closed') = (closed_at IS NOT NULL)",
        "status": "status IN ('open', 'closed')",
        "revision": "revision >= 1",
        "rank": "rank BETWEEN 0 AND 5",
        "descending_lowest": "descending_lowest = -coalesce(lowest, -1)",
        "indication": f"indication IN {INDICATION_WORDS}",
        "leaning": "leaning IN ('fit', 'no_fit', 'mixed')",
        "former_indication": f"former_indication IN {INDICATION_WORDS}",
        "decision": "decision IN ('pursue', 'nurture', 'disqualify')",
        "outcome": "outcome IN ('won', 'lost', 'no_decision')",
        "subject": "subject IN ('prospect', 'own_company', 'person')",
        "revisit_on": "revisit_on = '9999-12-31' OR decision IS NOT NULL",
        "indication_changed_at": "former_indication IS NULL OR indication_changed_at IS NOT NULL",
    }
    return [sa.CheckConstraint(where, name=f"ck_session_{name}") for name, where in conditions.items()]


def _session_indexes() -> None:
    op.create_index("ix_session_prospect_id", "session", ["prospect_id", "question_set"])
    in_every_order = (
        *("status", "leaning", "decision", "outcome", "has_blocker", "subject", "question_set"),
        *("answered_by", "assessor"),
    )
    orders = {
        "ranked": ("rank", "descending_lowest"),
        "updated_at": ("updated_at",),
        "revisit_on": ("revisit_on",),
    }
    for name, columns in orders.items():
        op.create_index(f"ix_session_{name}", "session", [*columns, "id", *in_every_order])
    for column in ("rank", "status", "question_set"):
        op.create_index(f"ix_session_{column}", "session", [column, "id"])
    for column in ("leaning", "has_blocker"):
        op.create_index(f"ix_session_{column}", "session", [column, "rank", "descending_lowest", "id"])
    op.create_index("ix_session_version", "session", ["question_set", "version", "id"])
    for column in ("decision", "outcome", "answered_by", "indication_changed_at"):
        _create_partial_index(f"ix_session_{column}", "session", [column, "id"], f"{column} IS NOT NULL")
    for column, nothing in (("deal", "''"), ("assessor", "''"), ("subject", "'prospect'")):
        _create_partial_index(f"ix_session_{column}", "session", [column, "id"], f"{column} <> {nothing}")
    for column in ("next_expiry_at", "revisit_pending_on"):
        _create_partial_index(f"ix_session_{column}", "session", [column], f"{column} IS NOT NULL")
    _create_partial_index("ix_session_valid_until", "session", ["status", "valid_until"], "status = 'open'")
    _create_partial_index(
        "uq_session_open",
        "session",
        ["prospect_id", "deal", "assessor", "question_set"],
        "status = 'open'",
        unique=True,
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
        sa.Column("answered_at", TIME, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("carried_from", sa.Uuid(), nullable=True),
        sa.Column("expiry_announced", sa.Boolean(), nullable=False),
        sa.CheckConstraint("evidence IN ('fact', 'judgement', 'assumption')", name="ck_answer_evidence"),
        sa.CheckConstraint(ANSWER_STATES, name="ck_answer_rating_or_state"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["carried_from"], ["session.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("session_id", "question"),
        sqlite_with_rowid=False,
    )
    _create_partial_index("ix_answer_carried_from", "answer", ["carried_from"], "carried_from IS NOT NULL")


def _session_revisions() -> None:
    op.create_table(
        "session_revision",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("key_name", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.JSON(), nullable=False),
        sa.CheckConstraint(CHANGE_CHECK, name="ck_session_revision_change"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "revision"),
        sqlite_with_rowid=False,
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
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key_name", sa.String(), nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.CheckConstraint("benefit_word IN ('yes', 'no', 'unsure')", name="ck_decision_benefit"),
        sa.CheckConstraint("decision IN ('pursue', 'nurture', 'disqualify')", name="ck_decision_decision"),
        sa.CheckConstraint("match_word IN ('yes', 'no', 'unsure')", name="ck_decision_match"),
        _on_a_revision(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decision_session_id", "decision", ["session_id"])


def _outcomes() -> None:
    op.create_table(
        "outcome",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("amount", sa.Float(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("competitor", sa.String(), nullable=True),
        sa.Column("hindsight", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("key_name", sa.String(), nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.CheckConstraint("outcome IN ('won', 'lost', 'no_decision')", name="ck_outcome_outcome"),
        sa.CheckConstraint("amount >= 0", name="ck_outcome_amount"),
        sa.CheckConstraint("length(currency) = 3 AND currency = upper(currency)", name="ck_outcome_currency"),
        _on_a_revision(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outcome_session_id", "outcome", ["session_id", "revision"])


def _frozen_verdicts() -> None:
    op.create_table(
        "frozen_verdict",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("knocked_out", sa.Boolean(), nullable=False),
        sa.Column("ratings", sa.String(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.CheckConstraint("NOT knocked_out OR score IS NULL", name="ck_frozen_verdict_score"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        _on_a_revision(),
        sa.PrimaryKeyConstraint("session_id"),
        sqlite_with_rowid=False,
    )


def _on_a_revision() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["session_id", "revision"],
        ["session_revision.session_id", "session_revision.revision"],
        ondelete="CASCADE",
    )


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", NUMBER, nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("prospect_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("question_set", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), server_default="prospect", nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.CheckConstraint(EVENT_TYPE_CHECK, name="ck_event_type"),
        sa.CheckConstraint("subject IN ('prospect', 'own_company', 'person')", name="ck_event_subject"),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("uq_event_id", "event", ["id"], unique=True)
    op.create_index("uq_event_position", "event", ["position"], unique=True)
    op.create_index("ix_event_type", "event", ["type", "position"])
    op.create_index("ix_event_prospect_id", "event", ["prospect_id"])
    _create_partial_index("ix_event_without_position", "event", ["seq"], "position IS NULL")
    _create_partial_index("ix_event_other_subject", "event", ["subject", "position"], "subject <> 'prospect'")


def _erased_events() -> None:
    op.create_table(
        "erased_event",
        sa.Column("position", NUMBER, autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
    )
    op.create_index("uq_erased_event_id", "erased_event", ["id"], unique=True)


def _last_position() -> None:
    made = op.create_table(
        "event_last_position",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_event_last_position_id"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(made, [{"id": 1, "position": 0}])


def _encryption_key() -> None:
    op.create_table(
        "encryption_key",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("named_at", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_encryption_key_id"),
        sa.PrimaryKeyConstraint("id"),
    )


def _is_encrypted(table: str, column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"substr({column}, 1, 4) = 'enc:'", name=f"ck_{table}_{column}")


def _webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("question_set", sa.String(), nullable=True),
        sa.Column("payload", sa.String(), nullable=False),
        sa.Column("record_update", sa.JSON(), nullable=True),
        sa.Column("credential", sa.String(), nullable=True),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("old_secret", sa.String(), nullable=True),
        sa.Column("old_secret_until", TIME, nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("disabled_because", sa.String(), nullable=True),
        sa.Column("paused_until", TIME, nullable=True),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("rate_since", TIME, nullable=True),
        sa.Column("pause_seconds", sa.Float(), nullable=True),
        sa.Column("next_send_at", TIME, nullable=True),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("backlog", sa.JSON(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("payload IN ('thin', 'full', 'record')", name="ck_webhook_payload"),
        sa.CheckConstraint("status IN ('active', 'disabled')", name="ck_webhook_status"),
        _is_encrypted("webhook", "secret"),
        _is_encrypted("webhook", "old_secret"),
        _is_encrypted("webhook", "credential"),
        sa.CheckConstraint("(record_update IS NULL) = (credential IS NULL)", name="ck_webhook_record_update"),
        sa.CheckConstraint(
            "(rate IS NULL) = (rate_since IS NULL) AND (rate IS NULL) = (pause_seconds IS NULL)",
            name="ck_webhook_pace",
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("settled_at", TIME, nullable=True),
        sa.Column("last_attempt_at", TIME, nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("last_answer", sa.String(), nullable=True),
        sa.Column("last_milliseconds", sa.Integer(), nullable=True),
        sa.CheckConstraint(DELIVERY_STATUSES, name="ck_webhook_delivery_status"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )


def _delivery_indexes() -> None:
    table = "webhook_delivery"
    op.create_index("uq_webhook_delivery", table, ["webhook_id", "event_id", "external_id"], unique=True)
    op.create_index("ix_webhook_delivery_event_id", table, ["event_id"])
    op.create_index("ix_webhook_delivery_position", table, ["webhook_id", "position"])
    op.create_index("ix_webhook_delivery_status", table, ["webhook_id", "status", "position"])
    op.create_index("ix_webhook_delivery_settled_at", table, ["settled_at"])
    # With the status, SQLite counts pending deliveries without reading the table.
    due = ["webhook_id", "due_at", "status"]
    _create_partial_index("ix_webhook_delivery_due", table, due, "status = 'pending'")
    _create_partial_index("ix_webhook_delivery_leased", table, ["webhook_id"], "leased_until IS NOT NULL")


def _intakes() -> None:
    op.create_table(
        "intake",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("question_set", sa.String(), nullable=True),
        sa.Column("signature", sa.JSON(), nullable=True),
        sa.Column("signature_secret", sa.String(), nullable=True),
        sa.Column("keep_hours", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.CheckConstraint("keep_hours >= 1", name="ck_intake_keep_hours"),
        sa.CheckConstraint("revision >= 1", name="ck_intake_revision"),
        _is_encrypted("intake", "signature_secret"),
        sa.CheckConstraint(
            "(signature IS NULL) = (signature_secret IS NULL)", name="ck_intake_signature_complete"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )


def _receipts() -> None:
    op.create_table(
        "intake_receipt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("intake_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("processed_at", TIME, nullable=True),
        sa.CheckConstraint("status IN ('received', 'done', 'failed')", name="ck_intake_receipt_status"),
        sa.ForeignKeyConstraint(["intake_id"], ["intake.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_intake_receipt_intake_id", "intake_receipt", ["intake_id", "id"])
    op.create_index("ix_intake_receipt_status", "intake_receipt", ["intake_id", "status", "id"])
    op.create_index("ix_intake_receipt_received_at", "intake_receipt", ["intake_id", "received_at"])
    _create_partial_index("ix_intake_receipt_waiting", "intake_receipt", ["id"], "status = 'received'")


def _signatures() -> None:
    op.create_table(
        "intake_signature",
        sa.Column("intake_id", sa.Uuid(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["intake_id"], ["intake.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("intake_id", "signature"),
    )
    op.create_index("ix_intake_signature_seen_at", "intake_signature", ["seen_at"])


def _items() -> None:
    op.create_table(
        "intake_item",
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("prospect_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "status IN ('received', 'done', 'failed', 'skipped')", name="ck_intake_item_status"
        ),
        sa.ForeignKeyConstraint(["receipt_id"], ["intake_receipt.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["prospect_id"], ["prospect.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("receipt_id", "place"),
    )
    op.create_index("ix_intake_item_link", "intake_item", ["source", "external_id"])
    op.create_index("ix_intake_item_prospect_id", "intake_item", ["prospect_id"])


def _usage() -> None:
    op.create_table(
        "intake_usage",
        sa.Column("intake_id", sa.Uuid(), nullable=False),
        sa.Column("hour", TIME, nullable=False),
        sa.Column("posts", NUMBER, nullable=False),
        sa.Column("bytes", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["intake_id"], ["intake.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("intake_id"),
    )


def _create_partial_index(
    name: str, table: str, columns: list[str], where: str, *, unique: bool = False
) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


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


def _keep_versions() -> None:
    """Reject the deletion of versions: sessions refer to them, and no version number may be used twice."""
    if op.get_bind().dialect.name == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'a published version is kept'); END"
    else:
        refuse = "FOR EACH ROW EXECUTE FUNCTION question_set_version_immutable()"
    op.execute(f"CREATE TRIGGER question_set_version_kept BEFORE DELETE ON question_set_version {refuse}")
