"""The tables of prospects, their links and value aliases."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import String
from sqlmodel import JSON, CheckConstraint, Column, Field, ForeignKeyConstraint, Index, text

from app.db import Table, UtcDateTime

# Texts that begin alike are together in this order. It is SQLite's own order.
IN_CODE_POINT_ORDER = String().with_variant(String(collation="C"), "postgresql")


class Prospect(Table, table=True):
    """A prospect. `searchable` is its name as it is sorted. The attributes are stored as the CRM sent them.

    `entered` has an entry for each attribute that no link has set: who entered it, and when.
    `subject` is "own_company" or "person" if a question set with that subject created the record.
    """

    __tablename__ = "prospect"
    __table_args__ = (
        CheckConstraint("subject IN ('prospect', 'own_company', 'person')", name="ck_prospect_subject"),
        Index("ix_prospect_searchable", "searchable", "id"),
        Index("ix_prospect_updated_at", "updated_at", "id"),
        Index(
            "ix_prospect_other_subject",
            "subject",
            "id",
            sqlite_where=text("subject <> 'prospect'"),
            postgresql_where=text("subject <> 'prospect'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    name: str | None = None
    searchable: str = ""
    subject: str = Field(default="prospect", sa_column_kwargs={"server_default": "prospect"})
    attributes: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    entered: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    revision: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class ProspectTerm(Table, table=True):
    """A word in the name of a prospect, in a spelling of `search.words_of`."""

    __tablename__ = "prospect_term"
    __table_args__ = (
        Index("ix_prospect_term_term", "term", "prospect_id"),
        {"sqlite_with_rowid": False},
    )

    prospect_id: UUID = Field(primary_key=True, foreign_key="prospect.id", ondelete="CASCADE")
    term: str = Field(sa_column=Column(IN_CODE_POINT_ORDER, primary_key=True))


class SourceRule(Table, table=True):
    """How the external ids of a source are compared. A source without a row has the rule "exact"."""

    __tablename__ = "source_rule"
    __table_args__ = (
        CheckConstraint("id_rule IN ('exact', 'ignore_case', 'salesforce')", name="ck_source_rule_id_rule"),
    )

    source: str = Field(primary_key=True)
    id_rule: str


class ProspectLink(Table, table=True):
    """The id of a prospect in another system, as it was first sent.

    `match_key` is the id by the rule of its source: two ids with the same key are one.
    """

    __tablename__ = "prospect_link"
    __table_args__ = (
        Index("ix_prospect_link_prospect_id", "prospect_id"),
        Index("ix_prospect_link_source", "source", "prospect_id", "match_key"),
        Index("ix_prospect_link_match_key", "match_key"),
    )

    source: str = Field(primary_key=True)
    match_key: str = Field(primary_key=True)
    external_id: str
    prospect_id: UUID = Field(foreign_key="prospect.id", ondelete="CASCADE")
    linked_at: datetime = Field(sa_type=UtcDateTime)


class ReceivedValues(Table, table=True):
    """The values that were last received from a link, about its prospect or about one deal.

    `deal`, `assessor`, `question_set` and `opened_on` are the fields of a `received.Part`, and `fields` are
    the entries of a `received.Received`. A value that a record update wrote to the link counts as received.
    """

    __tablename__ = "received_values"
    __table_args__ = (
        ForeignKeyConstraint(
            ["source", "match_key"],
            ["prospect_link.source", "prospect_link.match_key"],
            ondelete="CASCADE",
        ),
        # Most rows are small. In SQLite they take less space without row ids and a second index.
        {"sqlite_with_rowid": False},
    )

    source: str = Field(primary_key=True)
    match_key: str = Field(primary_key=True)
    deal: str = Field(primary_key=True)
    assessor: str = Field(primary_key=True)
    question_set: str = Field(primary_key=True)
    opened_on: str = Field(primary_key=True)
    fields: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class ValueAlias(Table, table=True):
    """The meaning of a text that a source sends in a field, which is an attribute or a question.

    `means` is JSON stored as text: in SQLite, a JSON column would turn 2.0 into 2.
    """

    __tablename__ = "value_alias"

    source: str = Field(primary_key=True)
    field: str = Field(primary_key=True)
    sent: str = Field(primary_key=True)
    means: str
