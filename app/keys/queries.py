"""Find API keys."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlmodel import col, select

from app.db import Transaction
from app.keys.schemas import Caller
from app.keys.tables import ApiKey


def list_keys(tx: Transaction) -> Sequence[ApiKey]:
    """Return every API key, oldest first, including revoked ones."""
    return tx.db.exec(select(ApiKey).order_by(col(ApiKey.id))).all()


def find_caller(tx: Transaction, secret_digest: str) -> Caller | None:
    """Return the caller that the digest of a key belongs to; None if the key is unknown or revoked."""
    key = tx.db.exec(select(ApiKey).where(ApiKey.digest == secret_digest)).one_or_none()
    if key is None or key.revoked_at is not None:
        return None
    return Caller(key.id, key.name, frozenset(key.scopes))


def active_keys(tx: Transaction, key_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the keys that exist and are not revoked."""
    active = select(ApiKey.id).where(col(ApiKey.id).in_(key_ids), col(ApiKey.revoked_at).is_(None))
    return set(tx.db.exec(active))
