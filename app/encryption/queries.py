"""Find what is encrypted, and the id of the key that encrypts."""

from sqlalchemy import Column, exists, or_, select
from sqlmodel import SQLModel

from app.db import Transaction
from app.encryption.tables import EncryptedText, NamedKey, SecretKind

KEY_ID = SQLModel.metadata.tables[str(NamedKey.__tablename__)].c.key_id


def encrypted_columns() -> list[tuple[Column[str], SecretKind]]:
    """Return every column of encrypted secrets, with the kind of its secrets."""
    return [
        (column, column.type.kind)
        for table in SQLModel.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, EncryptedText)
    ]


def any_encrypted(tx: Transaction) -> bool:
    """Return whether the database has any encrypted secret."""
    found = [exists(select(column).where(column.is_not(None))) for column, _ in encrypted_columns()]
    return bool(tx.db.execute(select(or_(*found))).scalar_one())


def key_id_of_database(tx: Transaction) -> str | None:
    """Return the id of the key that encrypts; None if nothing was encrypted yet."""
    return tx.db.execute(select(KEY_ID)).scalar_one_or_none()


def shared_key_id(tx: Transaction) -> str | None:
    """Return the id of the key that encrypts, and prevent a rotation until the transaction ends."""
    return tx.db.execute(select(KEY_ID).with_for_update(read=True)).scalar_one_or_none()


def locked_key_id(tx: Transaction) -> str | None:
    """Return the id of the key that encrypts, and let no other transaction encrypt until this one ends."""
    return tx.db.execute(select(KEY_ID).with_for_update()).scalar_one_or_none()
