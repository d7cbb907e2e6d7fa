"""Writing once: a request that is sent again under its idempotency key gets its first answer again.

The key is claimed, the work done and the answer kept in one transaction: a crash leaves neither an
effect nor a key, and a second request under the key waits for the first one to commit.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.exc import OperationalError
from sqlmodel import Field, Index, SQLModel, col, delete, select, update

from app.db import Transaction, UtcDateTime, insert_if_new
from app.keys.secret import OF_INTAKES, PREFIX, new_secret
from app.keys.store import Caller
from app.problems import KEY_IN_FLIGHT, KEY_REUSED, Problem

KEPT = timedelta(hours=24)
# Stand in a kept answer for a secret that is stored nowhere, by how it begins; JSON never holds these
# characters as such.
SECRETS = {PREFIX: "\x01", OF_INTAKES: "\x02"}
# PostgreSQL's codes for a lock that was not to be had: its own time-out, and the statement's.
WAITED_TOO_LONG = ("55P03", "57014")
OUTDATED_AT_ONCE = 20


class KeptAnswer(SQLModel, table=True):
    """The answer to a request, so that it can be given again; goes with the prospect that it is about."""

    __tablename__ = "idempotency"
    __table_args__ = (
        Index("ix_idempotency_claimed_at", "claimed_at"),
        Index("ix_idempotency_prospect_id", "prospect_id"),
    )

    api_key_id: UUID = Field(primary_key=True, foreign_key="api_key.id")
    key: str = Field(primary_key=True)
    fingerprint: str
    claimed_at: datetime = Field(sa_type=UtcDateTime)
    status: int | None = None
    body: str | None = None
    revision: int | None = None
    prospect_id: UUID | None = Field(default=None, foreign_key="prospect.id", ondelete="CASCADE")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write answers: the very bytes, and the revision for the ETag."""

    status: int
    body: str
    revision: int | None = None
    replayed: bool = False

    def without(self, secret: str | None) -> "Answer":
        """What may be kept of it."""
        if not secret:
            return self
        return replace(self, body=self.body.replace(secret, SECRETS[secret[: len(PREFIX)]]))

    def response(self) -> Response:
        """As HTTP."""
        headers = {} if self.revision is None else {"ETag": f'"{self.revision}"'}
        if self.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(self.body, self.status, headers, media_type="application/json")


@dataclass(frozen=True, slots=True)
class Call:
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


def claim(tx: Transaction, call: Call) -> Answer | None:
    """The answer that was given under the key; None if the key is the caller's now.

    Raises KEY_REUSED if it was used for another request, KEY_IN_FLIGHT if that takes too long.
    """
    assert call.key is not None
    _forget_outdated(tx, call)
    mine = KeptAnswer(
        api_key_id=call.caller.key_id, key=call.key, fingerprint=call.fingerprint, claimed_at=tx.at
    )
    try:
        if insert_if_new(tx, KeptAnswer, mine.model_dump()):
            return None
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) in WAITED_TOO_LONG:
            raise Problem(
                KEY_IN_FLIGHT, "The first request is not done yet.", headers={"Retry-After": "2"}
            ) from error
        raise
    kept = tx.db.exec(select(KeptAnswer).where(*_of(call))).one()
    if kept.fingerprint != call.fingerprint:
        raise Problem(KEY_REUSED, "Another request was made under this idempotency key.")
    assert kept.status is not None, "an answer is kept in the transaction that claims the key"
    body = kept.body or ""
    for prefix, mark in SECRETS.items():
        body = body.replace(mark, new_secret(call.seed, prefix))
    return Answer(kept.status, body, kept.revision, replayed=True)


def keep(tx: Transaction, call: Call, answer: Answer, prospect_id: UUID | None) -> None:
    """Keep an answer under the key that was claimed in this transaction."""
    kept = tx.db.exec(select(KeptAnswer).where(*_of(call))).one()
    kept.status, kept.body, kept.revision = answer.status, answer.body, answer.revision
    kept.prospect_id = prospect_id
    tx.db.add(kept)
    tx.db.flush()


def follow(tx: Transaction, gone: UUID, kept: UUID) -> None:
    """Let the answers that are kept about a prospect be about the one that it was merged into."""
    tx.db.exec(update(KeptAnswer).where(col(KeptAnswer.prospect_id) == gone).values(prospect_id=kept))


def _of(call: Call) -> tuple[Any, Any]:
    return col(KeptAnswer.api_key_id) == call.caller.key_id, col(KeptAnswer.key) == call.key


def _forget_outdated(tx: Transaction, call: Call) -> None:
    """The key's own answer if it is too old, and a few others."""
    outdated = col(KeptAnswer.claimed_at) < tx.at - KEPT
    tx.db.exec(delete(KeptAnswer).where(*_of(call), outdated))
    some = select(KeptAnswer).where(outdated).limit(OUTDATED_AT_ONCE).with_for_update(skip_locked=True)
    for kept in tx.db.exec(some).all():
        tx.db.delete(kept)
    tx.db.flush()
