"""Idempotency: a write that is sent again with the same idempotency key gets the first response again.

One transaction claims the key, does the work and stores the response. A crash therefore leaves neither an
effect nor a claimed key, and a second request with the key waits until the first one commits. A secret is
returned once: the stored response has it masked. An API key shares its idempotency keys with its successor,
because a caller may change to the successor before it sends a request again.
"""

import hashlib
import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy import ColumnElement, bindparam
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel, col, exists, select, update

from app.db import Database, Transaction, dialect_of, insert_into
from app.keys.schemas import Caller
from app.keys.service import display_prefix
from app.keys.tables import IdempotentResponse
from app.problems import KEY_IN_FLIGHT, KEY_REUSED, RETRY_AFTER_SECONDS, Problem

log = logging.getLogger(__name__)
RESPONSE_RETENTION = timedelta(hours=24)
# The PostgreSQL error codes of a lock that timed out: lock_timeout, and statement_timeout.
LOCK_TIMEOUT_CODES = ("55P03", "57014")
TABLE = SQLModel.metadata.tables["idempotency"]
HAS_KEY = (TABLE.c.api_key_id == bindparam("of_api_key")) & (TABLE.c.key == bindparam("of_key"))
SELECT_RESPONSE = select(IdempotentResponse).where(HAS_KEY)
STORE_RESPONSE = (
    TABLE.update()
    .where(HAS_KEY)
    .values({name: bindparam(name) for name in ("status", "body", "revision", "prospect_id")})
)
MAX_EXPIRED_PER_PASS = 500
CLEANUP_SECONDS = 300


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response to a write: its exact body, and the revision for the ETag."""

    status: int
    body: str
    revision: int | None = None
    replayed: bool = False

    def masked(self, secret: str | None) -> "StoredResponse":
        """Return the response as it is stored: only the first characters of the secret remain."""
        return replace(self, body=self.body.replace(secret, display_prefix(secret) + "…")) if secret else self


@dataclass(frozen=True, slots=True)
class WriteCall:
    """A request that writes: its caller, its idempotency key if it has one, and its fingerprint."""

    caller: Caller
    key: str | None
    fingerprint: str


def fingerprint(method: str, address: str, body: Any) -> str:
    """Return a hash that is equal for two requests with the same method, address and body."""
    text = json.dumps([method, address, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def claim_key(tx: Transaction, call: WriteCall) -> StoredResponse | None:
    """Claim the idempotency key of a call, or return the response that is stored under it.

    Returns None if this transaction has claimed the key. Raises KEY_REUSED if the key was used for another
    request, and KEY_IN_FLIGHT if the first request with the key takes too long to finish.
    """
    assert call.key is not None
    claim = {
        "api_key_id": call.caller.origin_id,
        "key": call.key,
        "fingerprint": call.fingerprint,
        "claimed_at": tx.at,
        "expired_before": tx.at - RESPONSE_RETENTION,
    }
    try:
        if tx.run(_claim(dialect_of(tx)), claim):
            return None
    except OperationalError as error:
        if _is_claimed_elsewhere(error):
            raise Problem(
                KEY_IN_FLIGHT,
                "The first request with this idempotency key has not finished yet.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            ) from error
        raise
    stored = tx.db.exec(SELECT_RESPONSE, params=_of_key(call)).one()
    if stored.fingerprint != call.fingerprint:
        raise Problem(KEY_REUSED, "A different request was made with this idempotency key.")
    assert stored.status is not None, "the transaction that claims the key also stores the response"
    return StoredResponse(stored.status, stored.body or "", stored.revision, replayed=True)


def _is_claimed_elsewhere(error: OperationalError) -> bool:
    """Return whether a claim timed out because another transaction has claimed the key.

    The error of PostgreSQL then names this table as the place of the wait. After a wait for the lock of a
    whole table, it names no place.
    """
    if getattr(error.orig, "sqlstate", None) not in LOCK_TIMEOUT_CODES:
        return False
    place = getattr(getattr(error.orig, "diag", None), "context", None)
    return f'"{TABLE.name}"' in (place or "")


def store_response(
    tx: Transaction, call: WriteCall, response: StoredResponse, prospect_id: UUID | None
) -> None:
    """Store a response under the key that this transaction has claimed.

    `prospect_id` is the prospect that the response is about: the response is erased with it.
    """
    values = {"status": response.status, "body": response.body, "revision": response.revision}
    tx.run(STORE_RESPONSE, {**_of_key(call), **values, "prospect_id": prospect_id})


def reassign_responses(tx: Transaction, from_id: UUID, to_id: UUID) -> None:
    """Reassign the stored responses about a prospect to the prospect that it was merged into."""
    tx.db.exec(
        update(IdempotentResponse)
        .where(col(IdempotentResponse.prospect_id) == from_id)
        .values(prospect_id=to_id)
    )


def _of_key(call: WriteCall) -> dict[str, Any]:
    """Return the parameters of HAS_KEY."""
    return {"of_api_key": call.caller.origin_id, "of_key": call.key}


@cache
def _claim(dialect: str) -> Any:
    """Return the statement that claims a key if nothing is stored under it, or an expired response.

    It waits for a transaction that has claimed the key.
    """
    statement = insert_into(TABLE, dialect)
    cleared = dict.fromkeys(column.name for column in TABLE.c if column.nullable)
    claimed = {name: statement.excluded[name] for name in ("fingerprint", "claimed_at")}
    return statement.on_conflict_do_update(
        index_elements=list(TABLE.primary_key),
        set_=cleared | claimed,
        where=TABLE.c.claimed_at < bindparam("expired_before", type_=TABLE.c.claimed_at.type),
    ).returning(TABLE.c.key)


def _is_expired(tx: Transaction) -> ColumnElement[bool]:
    return col(IdempotentResponse.claimed_at) < tx.at - RESPONSE_RETENTION


def _any_expired(tx: Transaction) -> bool:
    return tx.db.exec(select(exists(select(IdempotentResponse.key).where(_is_expired(tx))))).one()


def _delete_some_expired(tx: Transaction) -> bool:
    """Delete some expired responses, and return whether there may be more."""
    expired = select(IdempotentResponse).where(_is_expired(tx)).limit(MAX_EXPIRED_PER_PASS)
    responses = tx.db.exec(expired.with_for_update(skip_locked=True)).all()
    for response in responses:
        tx.db.delete(response)
    tx.db.flush()
    return len(responses) == MAX_EXPIRED_PER_PASS


class ResponseCleaner:
    """Deletes expired responses in the background, also if nothing else is written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Delete until cancelled; never returns."""
        while True:
            try:
                more = await self._database.read(_any_expired)
                while more:
                    more = await self._database.write(_delete_some_expired)
            except Problem:
                log.info("the database is not available: expired responses are deleted at the next pass")
            except Exception:
                log.exception("deleting expired responses failed")
            await anyio.sleep(CLEANUP_SECONDS)
