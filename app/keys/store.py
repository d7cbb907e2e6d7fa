"""Make, list, revoke and check API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID

from sqlmodel import col, select, update

from app.clock import new_id
from app.db import Transaction, write_alone
from app.keys.secret import beginning, digest, is_plausible, new_secret
from app.keys.tables import ApiKey
from app.problems import missing
from app.scoring import Flaw, Flawed

MadeBy = Literal["setting", "command", "api"]


class Scope(StrEnum):
    """What a key may do. `admin` holds every scope."""

    SCORE = "score"
    READ = "read"
    WRITE = "write"
    AUTHOR = "author"
    ADMIN = "admin"


SCOPES = {
    Scope.SCORE: "score answers and read question sets; nothing is stored",
    Scope.READ: "read prospects, sessions and fits",
    Scope.WRITE: "create and change prospects and sessions",
    Scope.AUTHOR: "write question sets, and see what a draft would change; with read, set up webhooks; with "
    "write, intakes",
    Scope.ADMIN: "everything, API keys included",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a key's id, its name for the record, and its scopes."""

    key_id: UUID
    name: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the key has that scope, or admin."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def create_key(
    tx: Transaction,
    name: str,
    scopes: Sequence[Scope],
    made_by: MadeBy,
    secret: str | None = None,
) -> tuple[ApiKey, str]:
    """Store a new key and return it with its secret, which cannot be read again."""
    secret = secret or new_secret()
    key = ApiKey(
        id=new_id(),
        name=name,
        shown=beginning(secret),
        digest=digest(secret),
        scopes=sorted(set(scopes)),
        made_by=made_by,
        created_at=tx.at,
    )
    tx.db.add(key)
    tx.db.flush()
    return key, secret


def list_keys(tx: Transaction) -> Sequence[ApiKey]:
    """Every key, revoked ones too, oldest first."""
    return tx.db.exec(select(ApiKey).order_by(col(ApiKey.id))).all()


def revoke_key(tx: Transaction, key_id: UUID) -> ApiKey:
    """Revoke a key, for good; a second time changes nothing. Raises NOT_FOUND."""
    key = tx.db.get(ApiKey, key_id, with_for_update=True)
    if key is None:
        raise missing("API key of that id")
    if key.revoked_at is None:
        key.revoked_at = tx.at
        tx.db.add(key)
        tx.db.flush()
    return key


def find_caller(tx: Transaction, secret_digest: str) -> Caller | None:
    """The caller behind a key's digest; None for an unknown or revoked key."""
    key = tx.db.exec(select(ApiKey).where(ApiKey.digest == secret_digest)).one_or_none()
    if key is None or key.revoked_at is not None:
        return None
    return Caller(key.id, key.name, frozenset(key.scopes))


def ensure_admin_key(tx: Transaction, from_setting: str | None) -> str | None:
    """See to it that somebody can get in; returns a new key if one was made, to be shown once.

    A key from the setting replaces the one that an earlier setting brought. A key that somebody
    revoked stays revoked. Raises `Flawed` for a mistyped key.
    """
    # Of several processes that start at once, one makes the key and the others find it.
    write_alone(tx, ApiKey)
    if from_setting is None:
        if tx.db.exec(select(ApiKey.id).limit(1)).first() is not None:
            return None
        return create_key(tx, "admin", [Scope.ADMIN], "command")[1]
    if not is_plausible(from_setting):
        raise Flawed([Flaw("/admin_key", "it begins with pfk_ but is no such key: a mistype?")])
    wanted = digest(from_setting)
    others = col(ApiKey.made_by) == "setting", col(ApiKey.revoked_at).is_(None)
    tx.db.exec(update(ApiKey).where(*others, col(ApiKey.digest) != wanted).values(revoked_at=tx.at))
    if tx.db.exec(select(ApiKey.id).where(ApiKey.digest == wanted)).first() is None:
        create_key(tx, "admin", [Scope.ADMIN], "setting", from_setting)
    return None
