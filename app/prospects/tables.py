"""What is stored of a prospect."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, Index, SQLModel

from app.db import UtcDateTime


class Prospect(SQLModel, table=True):
    """`searchable` is the name case-folded; attributes are as the CRM sent them.

    `subject` tells a prospect from the own company or a person that a set of that subject is about.
    """

    __tablename__ = "prospect"
    __table_args__ = (
        CheckConstraint("subject IN ('prospect', 'own_company', 'person')", name="ck_prospect_subject"),
    )

    id: UUID = Field(primary_key=True)
    name: str | None = None
    searchable: str = ""
    subject: str = Field(default="prospect", sa_column_kwargs={"server_default": "prospect"})
    attributes: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    revision: int = 1
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class ProspectLink(SQLModel, table=True):
    """How another system knows the prospect."""

    __tablename__ = "prospect_link"
    __table_args__ = (
        Index("ix_prospect_link_prospect_id", "prospect_id"),
        Index("ix_prospect_link_external_id", "external_id"),
    )

    source: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    prospect_id: UUID = Field(foreign_key="prospect.id", ondelete="CASCADE")
    linked_at: datetime = Field(sa_type=UtcDateTime)


class ValueAlias(SQLModel, table=True):
    """What a source's own text in a field, an attribute or a question, means here.

    `means` is JSON, as text: a column of that type would make 2 of 2.0 in SQLite.
    """

    __tablename__ = "value_alias"

    source: str = Field(primary_key=True)
    field: str = Field(primary_key=True)
    sent: str = Field(primary_key=True)
    means: str
