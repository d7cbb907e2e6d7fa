"""What is stored of a question set."""

from datetime import datetime
from typing import Any

from sqlmodel import JSON, CheckConstraint, Column, Field, SQLModel

from app.db import UtcDateTime


class QuestionSetVersion(SQLModel, table=True):
    """A published version; the database refuses every change but retiring it."""

    __tablename__ = "question_set_version"
    __table_args__ = (
        CheckConstraint("version >= 1", name="ck_question_set_version_version"),
        CheckConstraint("status IN ('published', 'retired')", name="ck_question_set_version_status"),
    )

    key: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    status: str = "published"
    published_at: datetime = Field(sa_type=UtcDateTime)
    content_hash: str
    builtin: bool
    definition: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))

    @property
    def name(self) -> str:
        """How it is called: "key@version"."""
        return f"{self.key}@{self.version}"


class QuestionSetDraft(SQLModel, table=True):
    """What may become the next version: a definition or a variant, complete or not.

    A draft that was published or discarded has no document; its row stays, so that no revision ever
    comes twice.
    """

    __tablename__ = "question_set_draft"
    __table_args__ = (CheckConstraint("revision >= 1", name="ck_question_set_draft_revision"),)

    key: str = Field(primary_key=True)
    document: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True)))
    revision: int
    saved_at: datetime = Field(sa_type=UtcDateTime)
    saved_by: str
