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
