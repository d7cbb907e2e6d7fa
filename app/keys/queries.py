"""Find API keys."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, or_, select

from app.db import Transaction
from app.keys.schemas import Caller
from app.keys.tables import ApiKey


def list_keys(tx: Transaction) -> Sequence[ApiKey]:
    """Return every API key, oldest first, including revoked and expired ones."""
    return tx.db.exec(select(ApiKey).order_by(col(ApiKey.id))).all()


def find_caller(tx: Transaction, secret_digest: str) -> Caller | None:
    """Return the caller that the digest of a key belongs to; None if the key is unknown or revoked.

    The key may have expired.
    """
    return _caller_of(tx.db.exec(select(ApiKey).where(ApiKey.digest == secret_digest)).one_or_none())


def find_caller_by_id(tx: Transaction, key_id: UUID) -> Caller | None:
    """Return the caller that a key belongs to, as `find_caller`."""
    return _caller_of(tx.db.get(ApiKey, key_id))


def _caller_of(key: ApiKey | None) -> Caller | None:
    if key is None or key.revoked_at is not None:
        return None
    return Caller(key.id, key.origin_id, key.name, key.person, frozenset(key.scopes), key.expires_at)


def active_keys(tx: Transaction, key_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the keys that exist, are not revoked and have not expired."""
    return set(tx.db.exec(select(ApiKey.id).where(col(ApiKey.id).in_(key_ids), *active_clauses(tx.at))))


def active_clauses(at: datetime) -> tuple[Any, Any]:
    """Return the conditions for keys that are not revoked and have not expired."""
    expires_at = col(ApiKey.expires_at)
    return col(ApiKey.revoked_at).is_(None), or_(expires_at.is_(None), expires_at > at)


def successors_of(tx: Transaction, key_ids: Collection[UUID]) -> dict[UUID | None, UUID]:
    """Return the successor of each of these keys that has one."""
    successors = select(ApiKey.replaces, ApiKey.id).where(col(ApiKey.replaces).in_(key_ids))
    return dict(tx.db.exec(successors).all())
