"""The column type of encrypted secrets, and the table that names their encryption key."""

from datetime import datetime
from typing import Literal

from sqlalchemy import Dialect, String, TypeDecorator
from sqlmodel import CheckConstraint, Field

from app.db import Table, UtcDateTime

SecretKind = Literal["signing secret", "credential", "signature secret"]
ENCRYPTED_PREFIX = "enc:"


def is_encrypted(column: str) -> str:
    """Return the SQL condition that a column is null or encrypted."""
    return f"substr({column}, 1, {len(ENCRYPTED_PREFIX)}) = '{ENCRYPTED_PREFIX}'"


class EncryptedText(TypeDecorator[str]):
    """A secret in a table whose primary key is `id`. It is encrypted before it is stored.

    A row that is read holds the encrypted text; `Cipher.decrypt` decrypts it where it is used. A rotation
    encrypts all columns of this type again.
    """

    impl = String
    cache_ok = True

    def __init__(self, kind: SecretKind) -> None:
        super().__init__()
        self.kind: SecretKind = kind

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        assert value is None or value.startswith(ENCRYPTED_PREFIX), "encrypt the secret first"
        return value


class NamedKey(Table, table=True):
    """The id of the key that encrypts the secrets of this database. There is at most one row.

    The id is computed from the key, but the key cannot be computed from it.
    """

    __tablename__ = "encryption_key"
    __table_args__ = (CheckConstraint("id = 1", name="ck_encryption_key_id"),)

    id: int = Field(default=1, primary_key=True)
    key_id: str
    named_at: datetime = Field(sa_type=UtcDateTime)
