"""What is stored of an API key."""

from datetime import datetime
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, SQLModel

from app.db import UtcDateTime


class ApiKey(SQLModel, table=True):
    """`digest` is the SHA-256 of the key, which is itself stored nowhere."""

    __tablename__ = "api_key"
    __table_args__ = (CheckConstraint("made_by IN ('setting', 'command', 'api')", name="ck_api_key_made_by"),)

    id: UUID = Field(primary_key=True)
    name: str
    shown: str
    digest: str = Field(unique=True)
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    made_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
