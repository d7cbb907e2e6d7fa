"""Create, rotate, list and revoke API keys."""

from datetime import timedelta
from uuid import UUID

from fastapi import Response

from app.db import Transaction
from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep, WriteResult
from app.keys.presenters import key_created, keys_out
from app.keys.queries import list_keys
from app.keys.schemas import KeyCreated, KeyList, KeyOut, KeyRotation, NewKey, Scope
from app.keys.service import create_key, new_secret, revoke_key, rotate_key
from app.sessions.session_edit import UnitOfWork

managing = router("keys", Scope.ADMIN)


@managing.post("/keys", operation_id="create_key", status_code=201, response_model=KeyCreated)
async def post_key(request: NewKey, service: ServiceDep, call: WriteCallDep) -> Response:
    """Create an API key. Store it at once: you cannot read it again.

    A key can belong to a person, who is then the actor of its requests, and can expire.
    If you repeat the request with its idempotency key, the API key in the response is masked. If you have not
    stored it, revoke it and create another one.
    """
    secret = new_secret()

    def create(uow: UnitOfWork) -> WriteResult:
        key, _ = create_key(uow.tx, request, "api", secret)
        return WriteResult(key_created(key, secret), 201, secret)

    return await service.write(call, create)


@managing.post("/keys/{key_id}/rotate", operation_id="rotate_key", status_code=201, response_model=KeyCreated)
async def post_rotation(
    key_id: UUID, request: KeyRotation, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Create the successor of an API key. The old key works until the overlap ends.

    The successor has the same name, scopes, person and expiry. The two keys share their idempotency keys, so
    you can safely repeat a request of the old key with the successor. Store the successor at once: you cannot
    read it again. If you repeat this request with its idempotency key, the API key in the response is masked.
    """
    secret, overlap = new_secret(), timedelta(hours=request.overlap_hours)

    def rotate(uow: UnitOfWork) -> WriteResult:
        successor, _ = rotate_key(uow.tx, key_id, overlap, "api", secret)
        return WriteResult(key_created(successor, secret), 201, secret)

    return await service.write(call, rotate)


@managing.get("/keys", operation_id="list_keys")
async def get_keys(service: ServiceDep) -> KeyList:
    """List the keys, oldest first, including revoked and expired ones."""
    return await service.database.read(lambda tx: KeyList(items=keys_out(tx, list_keys(tx))))


@managing.delete("/keys/{key_id}", operation_id="revoke_key")
async def delete_key(key_id: UUID, service: ServiceDep) -> KeyOut:
    """Revoke a key permanently. Every process rejects it within two seconds.

    Streams, waits for events and requests whose body is still arriving end within that time too.
    The last working key with the scope admin that does not expire cannot be revoked.
    """

    def revoke(tx: Transaction) -> KeyOut:
        (revoked,) = keys_out(tx, [revoke_key(tx, key_id, keep_last_admin=True)])
        return revoked

    return await service.database.write(revoke)
