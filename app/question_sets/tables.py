"""Tables of published versions and drafts."""

from datetime import datetime
from typing import Any

from sqlmodel import JSON, CheckConstraint, Column, Field

from app.db import Table, UtcDateTime


class QuestionSetVersion(Table, table=True):
    """A published version. The database refuses every change except retiring it."""

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
        """The name of the version: "key@version"."""
        return f"{self.key}@{self.version}"


class QuestionSetDraft(Table, table=True):
    """The draft of the next version: a whole set or a variant, complete or not.

    A draft that was published or discarded has no document. Its row stays, so that no revision number is ever
    used twice. `text` is the YAML that the document was read from, with its comments; it is None if the
    document was sent as JSON.
    """

    __tablename__ = "question_set_draft"
    __table_args__ = (CheckConstraint("revision >= 1", name="ck_question_set_draft_revision"),)

    key: str = Field(primary_key=True)
    document: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True)))
    text: str | None = None
    revision: int
    saved_at: datetime = Field(sa_type=UtcDateTime)
    saved_by: str
