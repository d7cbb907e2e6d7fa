"""Create, rotate, revoke and check API keys and other secrets.

A secret is a prefix, 32 random characters and a checksum of 6 characters. The checksum rejects a mistyped
secret, and lets a scanner recognise a leaked one, without a look-up in the database.
"""

import hashlib
import secrets
import string
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from uuid import UUID
from zlib import crc32

from sqlmodel import col, delete, select, update

from app.clock import new_id
from app.db import Transaction, lock_table
from app.keys.queries import active_clauses, active_keys, successors_of
from app.keys.schemas import NewKey, Scope
from app.keys.tables import ApiKey, SignInLink
from app.problems import CANNOT_ROTATE, LAST_ADMIN_KEY, Problem, invalid_field, missing
from app.scoring import Flaw, Flawed

KEY_PREFIX = "pfk_"
SIGN_IN_PREFIX = "pfl_"
SIGN_IN_LIFETIME = timedelta(minutes=5)
INTAKE_TOKEN_PREFIX = "pfi_"  # noqa: S105  # only the start of a token
SECRET_ALPHABET = string.digits + string.ascii_letters
RANDOM_LENGTH = 32
CHECKSUM_LENGTH = 6
MAX_DISPLAYED_LENGTH = 10
MadeBy = Literal["setting", "command", "api"]
ADMIN_KEY = NewKey(name="admin", scopes=[Scope.ADMIN])


def new_secret(prefix: str = KEY_PREFIX) -> str:
    """Return a new secret with 190 random bits."""
    random = "".join(secrets.choice(SECRET_ALPHABET) for _ in range(RANDOM_LENGTH))
    return prefix + random + _checksum(random)


def is_plausible(secret: str) -> bool:
    """Whether a text can be an API key: False if it begins with `pfk_` and its checksum is wrong.

    A key that an operator chose has another prefix and no checksum.
    """
    return not secret.startswith(KEY_PREFIX) or has_valid_checksum(secret, KEY_PREFIX)


def has_valid_checksum(secret: str, prefix: str) -> bool:
    """Whether a text is a secret with this prefix and the right checksum. The secret may not exist."""
    if not secret.startswith(prefix):
        return False
    body = secret.removeprefix(prefix)
    random, checksum = body[:-CHECKSUM_LENGTH], body[-CHECKSUM_LENGTH:]
    return len(random) == RANDOM_LENGTH and checksum == _checksum(random)


def display_prefix(secret: str) -> str:
    """Return the first characters of a secret, by which people recognise it: at most a quarter of it."""
    return secret[: min(MAX_DISPLAYED_LENGTH, len(secret) // 4)]


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hex, which is all that is stored of it.

    It needs no salt, since a secret is too random to guess.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(random: str) -> str:
    return _encode(crc32(random.encode()), CHECKSUM_LENGTH)


def _encode(number: int, length: int) -> str:
    """Return the last `length` digits of a number in base 62, the lowest digit first."""
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(SECRET_ALPHABET))
        characters.append(SECRET_ALPHABET[digit])
    return "".join(characters)


def create_key(
    tx: Transaction, new: NewKey, made_by: MadeBy, secret: str | None = None
) -> tuple[ApiKey, str]:
    """Store a new API key, and return it with its secret, which cannot be read again.

    Without `secret`, a random one is generated. Raises INVALID_REQUEST if the last day is in the past.
    """
    secret = secret or new_secret()
    key_id = new_id()
    key = ApiKey(
        id=key_id,
        name=new.name,
        person=new.person,
        prefix=display_prefix(secret),
        digest=digest(secret),
        scopes=sorted(set(new.scopes)),
        made_by=made_by,
        created_at=tx.at,
        expires_at=_end_of(tx, new.expires_on) if new.expires_on else None,
        origin_id=key_id,
    )
    tx.db.add(key)
    tx.db.flush()
    return key, secret


def _end_of(tx: Transaction, day: date) -> datetime:
    """Return the end of a day in UTC. Raises INVALID_REQUEST if the day is over."""
    end = datetime.combine(day, time.min, UTC) + timedelta(days=1)
    if end <= tx.at:
        raise invalid_field("/expires_on", "in_the_past", "this day is in the past: send a later one")
    return end


def rotate_key(
    tx: Transaction, key_id: UUID, overlap: timedelta, made_by: MadeBy, secret: str | None = None
) -> tuple[ApiKey, str]:
    """Store a successor of an API key, and return it with its secret. The key works until the overlap ends.

    The successor has the name, the person, the scopes and the expiry of the key, and its idempotency keys.
    Raises NOT_FOUND, and CANNOT_ROTATE unless the key works, has no successor and is not from the setting.
    """
    # Of two rotations of one key at the same time, the second one has to find the successor.
    lock_table(tx, ApiKey)
    key = _find_key(tx, key_id)
    _require_rotatable(tx, key)
    secret = secret or new_secret()
    given = {"id": new_id(), "prefix": display_prefix(secret), "digest": digest(secret)}
    fields = key.model_dump() | given | {"made_by": made_by, "created_at": tx.at, "replaces": key.id}
    successor = ApiKey(**fields)
    end = tx.at + overlap
    key.expires_at = min(end, key.expires_at) if key.expires_at else end
    tx.db.add_all([key, successor])
    tx.db.flush()
    return successor, secret


def _require_rotatable(tx: Transaction, key: ApiKey) -> None:
    if key.id not in active_keys(tx, [key.id]):
        raise Problem(CANNOT_ROTATE, "The key is revoked or has expired. Create another key.")
    if successor := successors_of(tx, [key.id]).get(key.id):
        raise Problem(CANNOT_ROTATE, f"The key already has a successor. Rotate {successor} instead.")
    if key.made_by == "setting":
        raise Problem(CANNOT_ROTATE, "This is the key of the setting admin_key. Change the setting instead.")


def _find_key(tx: Transaction, key_id: UUID) -> ApiKey:
    key = tx.db.get(ApiKey, key_id)
    if key is None:
        raise missing("API key with that id")
    return key


def revoke_key(tx: Transaction, key_id: UUID, *, keep_last_admin: bool = False) -> ApiKey:
    """Revoke an API key permanently. Revoking it again changes nothing.

    Raises NOT_FOUND, and LAST_ADMIN_KEY if `keep_last_admin` and no other key with the scope admin is left
    that works and does not expire.
    """
    # Two admin keys that revoke each other at the same time must not both succeed.
    lock_table(tx, ApiKey)
    key = _find_key(tx, key_id)
    if key.revoked_at is None:
        if keep_last_admin and _is_last_admin(tx, key):
            raise Problem(LAST_ADMIN_KEY, "Without it nobody could create keys over the API.")
        key.revoked_at = tx.at
        tx.db.add(key)
        tx.db.flush()
    return key


def _is_last_admin(tx: Transaction, key: ApiKey) -> bool:
    active = tx.db.exec(select(ApiKey).where(*active_clauses(tx.at))).all()
    admins = {one.id: one for one in active if Scope.ADMIN in one.scopes}
    return key.id in admins and not any(one.expires_at is None for one in admins.values() if one.id != key.id)


def ensure_admin_key(tx: Transaction, from_setting: str | None) -> str | None:
    """Make sure that an admin key exists. Return a new key that has to be shown once, or None.

    `from_setting` is the value of the setting `admin_key`. It replaces the key of an earlier setting. A key
    that was revoked stays revoked. Without the setting, a key is created if there is none. Raises `Flawed`
    if the key in the setting is mistyped.
    """
    # If several processes start at once, one of them creates the key and the others find it.
    lock_table(tx, ApiKey)
    if from_setting is None:
        if tx.db.exec(select(ApiKey.id).limit(1)).first() is not None:
            return None
        return create_key(tx, ADMIN_KEY, "command")[1]
    if not is_plausible(from_setting):
        detail = "it begins with pfk_ but its checksum is wrong: check it for typing errors"
        raise Flawed([Flaw("/admin_key", detail)])
    setting_digest = digest(from_setting)
    is_active_setting = col(ApiKey.made_by) == "setting", col(ApiKey.revoked_at).is_(None)
    tx.db.exec(
        update(ApiKey)
        .where(*is_active_setting, col(ApiKey.digest) != setting_digest)
        .values(revoked_at=tx.at)
    )
    if tx.db.exec(select(ApiKey.id).where(ApiKey.digest == setting_digest)).first() is None:
        create_key(tx, ADMIN_KEY, "setting", from_setting)
    return None


def create_sign_in_link(tx: Transaction) -> str | None:
    """Store a link that signs a browser in once, within SIGN_IN_LIFETIME, and return its secret.

    The browser uses the oldest admin key that works. Returns None if there is none.
    """
    tx.db.exec(delete(SignInLink).where(col(SignInLink.expires_at) <= tx.at))
    active = tx.db.exec(select(ApiKey).where(*active_clauses(tx.at)).order_by(col(ApiKey.id))).all()
    key = next((one for one in active if Scope.ADMIN in one.scopes), None)
    if key is None:
        return None
    secret = new_secret(SIGN_IN_PREFIX)
    tx.db.add(SignInLink(digest=digest(secret), api_key_id=key.id, expires_at=tx.at + SIGN_IN_LIFETIME))
    tx.db.flush()
    return secret


def use_sign_in_link(tx: Transaction, secret: str) -> UUID | None:
    """Delete a link, and return the id of its API key; None if it was used, has expired or never existed."""
    used = delete(SignInLink).where(
        col(SignInLink.digest) == digest(secret), col(SignInLink.expires_at) > tx.at
    )
    return tx.db.execute(used.returning(col(SignInLink.api_key_id))).scalar_one_or_none()
