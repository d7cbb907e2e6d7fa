"""Create, revoke and check API keys and other secrets.

A secret is a prefix, 32 random characters and a checksum of 6. The checksum rejects a mistyped secret, and
lets a scanner find a leaked one, without a look-up.
"""

import hashlib
import secrets
import string
from collections.abc import Sequence
from typing import Literal
from uuid import UUID
from zlib import crc32

from sqlmodel import col, select, update

from app.clock import new_id
from app.db import Transaction, lock_table
from app.keys.schemas import Scope
from app.keys.tables import ApiKey
from app.problems import missing
from app.scoring import Flaw, Flawed

KEY_PREFIX = "pfk_"
INTAKE_TOKEN_PREFIX = "pfi_"  # noqa: S105  # how a token begins
ALPHABET = string.digits + string.ascii_letters
RANDOM_CHARACTERS = 32
CHECK_CHARACTERS = 6
DISPLAYED_CHARACTERS = 10
MadeBy = Literal["setting", "command", "api"]


def new_secret(seed: bytes | None = None, prefix: str = KEY_PREFIX) -> str:
    """A new key of 190 random bits; from a seed of at least 64 bytes always the same one."""
    number = int.from_bytes(seed or secrets.token_bytes(64))
    random = _characters(number, RANDOM_CHARACTERS)
    return prefix + random + _checksum(random)


def is_plausible(secret: str) -> bool:
    """False for a `pfk_` key whose checksum is wrong; an operator's own key has none."""
    return not secret.startswith(KEY_PREFIX) or has_valid_checksum(secret, KEY_PREFIX)


def has_valid_checksum(secret: str, prefix: str) -> bool:
    """Whether a text could be one of those that begin so: its checksum is right."""
    if not secret.startswith(prefix):
        return False
    body = secret.removeprefix(prefix)
    random, check = body[:-CHECK_CHARACTERS], body[-CHECK_CHARACTERS:]
    return len(random) == RANDOM_CHARACTERS and check == _checksum(random)


def display_prefix(secret: str) -> str:
    """What may be shown of a key to tell it from others: never more than a quarter."""
    return secret[: min(DISPLAYED_CHARACTERS, len(secret) // 4)]


def digest(secret: str) -> str:
    """What is stored of a key: SHA-256 in hex. It needs no salt, since a key is no guessable word."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(random: str) -> str:
    return _characters(crc32(random.encode()), CHECK_CHARACTERS)


def _characters(number: int, count: int) -> str:
    characters = []
    for _ in range(count):
        number, rest = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[rest])
    return "".join(characters)


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
        prefix=display_prefix(secret),
        digest=digest(secret),
        scopes=sorted(set(scopes)),
        made_by=made_by,
        created_at=tx.at,
    )
    tx.db.add(key)
    tx.db.flush()
    return key, secret


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


def ensure_admin_key(tx: Transaction, from_setting: str | None) -> str | None:
    """See to it that somebody can get in; returns a new key if one was made, to be shown once.

    A key from the setting replaces the one that an earlier setting brought. A key that somebody
    revoked stays revoked. Raises `Flawed` for a mistyped key.
    """
    # Of several processes that start at once, one makes the key and the others find it.
    lock_table(tx, ApiKey)
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
