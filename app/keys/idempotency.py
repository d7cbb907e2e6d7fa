"""Writing once: a request that is sent again under its idempotency key gets its first answer again.

The key is claimed, the work done and the answer kept in one transaction: a crash leaves neither an
effect nor a key, and a second request under the key waits for the first one to commit.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlmodel import col, delete, select, update

from app.db import Transaction, insert_if_new
from app.keys.schemas import Caller
from app.keys.service import INTAKE_TOKEN_PREFIX, KEY_PREFIX, new_secret
from app.keys.tables import IdempotentResponse
from app.problems import KEY_IN_FLIGHT, KEY_REUSED, Problem

RESPONSE_RETENTION = timedelta(hours=24)
# Stand in a kept answer for a secret that is stored nowhere, by how it begins; JSON never holds these
# characters as such.
SECRET_PLACEHOLDERS = {KEY_PREFIX: "\x01", INTAKE_TOKEN_PREFIX: "\x02"}
# PostgreSQL's codes for a lock that was not to be had: its own time-out, and the statement's.
LOCK_TIMEOUT_CODES = ("55P03", "57014")
MAX_EXPIRED_PER_CALL = 20


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """What a write answers: the very bytes, and the revision for the ETag."""

    status: int
    body: str
    revision: int | None = None
    replayed: bool = False

    def without(self, secret: str | None) -> "StoredResponse":
        """What may be kept of it."""
        if not secret:
            return self
        return replace(self, body=self.body.replace(secret, SECRET_PLACEHOLDERS[secret[: len(KEY_PREFIX)]]))


@dataclass(frozen=True, slots=True)
class WriteCall:
    """A writing request: who calls, and under which idempotency key, if any, it says what."""

    caller: Caller
    key: str | None
    fingerprint: str
    presented: str

    @property
    def seed(self) -> bytes | None:
        """64 bytes that only who presents this API key and idempotency key can make again.

        None without an idempotency key.
        """
        if self.key is None:
            return None
        return hmac.digest(self.presented.encode(), self.key.encode(), hashlib.sha512)


def fingerprint(method: str, address: str, body: Any) -> str:
    """What two requests have in common that ask for the same."""
    said = json.dumps([method, address, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def claim_key(tx: Transaction, call: WriteCall) -> StoredResponse | None:
    """The answer that was given under the key; None if the key is the caller's now.

    Raises KEY_REUSED if it was used for another request, KEY_IN_FLIGHT if that takes too long.
    """
    assert call.key is not None
    _delete_expired(tx, call)
    mine = IdempotentResponse(
        api_key_id=call.caller.key_id, key=call.key, fingerprint=call.fingerprint, claimed_at=tx.at
    )
    try:
        if insert_if_new(tx, IdempotentResponse, mine.model_dump()):
            return None
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) in LOCK_TIMEOUT_CODES:
            raise Problem(
                KEY_IN_FLIGHT, "The first request is not done yet.", headers={"Retry-After": "2"}
            ) from error
        raise
    kept = tx.db.exec(select(IdempotentResponse).where(*_of(call))).one()
    if kept.fingerprint != call.fingerprint:
        raise Problem(KEY_REUSED, "Another request was made under this idempotency key.")
    assert kept.status is not None, "an answer is kept in the transaction that claims the key"
    body = kept.body or ""
    for prefix, mark in SECRET_PLACEHOLDERS.items():
        body = body.replace(mark, new_secret(call.seed, prefix))
    return StoredResponse(kept.status, body, kept.revision, replayed=True)


def store_response(
    tx: Transaction, call: WriteCall, answer: StoredResponse, prospect_id: UUID | None
) -> None:
    """Keep an answer under the key that was claimed in this transaction."""
    kept = tx.db.exec(select(IdempotentResponse).where(*_of(call))).one()
    kept.status, kept.body, kept.revision = answer.status, answer.body, answer.revision
    kept.prospect_id = prospect_id
    tx.db.add(kept)
    tx.db.flush()


def reassign_responses(tx: Transaction, gone: UUID, kept: UUID) -> None:
    """Let the answers that are kept about a prospect be about the one that it was merged into."""
    tx.db.exec(
        update(IdempotentResponse).where(col(IdempotentResponse.prospect_id) == gone).values(prospect_id=kept)
    )


def _of(call: WriteCall) -> tuple[Any, Any]:
    return col(IdempotentResponse.api_key_id) == call.caller.key_id, col(IdempotentResponse.key) == call.key


def _delete_expired(tx: Transaction, call: WriteCall) -> None:
    """The key's own answer if it is too old, and a few others."""
    outdated = col(IdempotentResponse.claimed_at) < tx.at - RESPONSE_RETENTION
    tx.db.exec(delete(IdempotentResponse).where(*_of(call), outdated))
    some = (
        select(IdempotentResponse)
        .where(outdated)
        .limit(MAX_EXPIRED_PER_CALL)
        .with_for_update(skip_locked=True)
    )
    for kept in tx.db.exec(some).all():
        tx.db.delete(kept)
    tx.db.flush()
