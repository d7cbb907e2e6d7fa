"""Create, list and revoke API keys."""

from uuid import UUID

from fastapi import Response

from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep, WriteResult
from app.keys.presenters import key_out
from app.keys.queries import list_keys
from app.keys.schemas import KeyCreated, KeyList, KeyOut, NewKey, Scope
from app.keys.service import create_key, new_secret, revoke_key
from app.sessions.session_edit import UnitOfWork

managing = router("keys", Scope.ADMIN)


@managing.post("/keys", operation_id="create_key", status_code=201, response_model=KeyCreated)
async def post_key(request: NewKey, service: ServiceDep, call: WriteCallDep) -> Response:
    """Create an API key. Store it at once: you cannot read it again.

    If you repeat the request with its idempotency key, the API key in the response is masked. If you have not
    stored it, revoke it and create another one.
    """
    secret = new_secret()

    def create(uow: UnitOfWork) -> WriteResult:
        key, _ = create_key(uow.tx, request.name, request.scopes, "api", secret)
        created = {**key.model_dump(include=set(KeyOut.model_fields)), "key": secret}
        return WriteResult(KeyCreated.model_validate(created), 201, secret)

    return await service.write(call, create)


@managing.get("/keys", operation_id="list_keys")
async def get_keys(service: ServiceDep) -> KeyList:
    """List the keys, oldest first, including revoked ones."""
    found = await service.database.read(list_keys)
    return KeyList(items=[key_out(key.model_dump()) for key in found])


@managing.delete("/keys/{key_id}", operation_id="revoke_key")
async def delete_key(key_id: UUID, service: ServiceDep) -> KeyOut:
    """Revoke a key permanently. Every process rejects it within two seconds.

    Streams, waits for events and requests whose body is still arriving end within that time too.
    The last key with the scope admin cannot be revoked.
    """
    key = await service.database.write(lambda tx: revoke_key(tx, key_id, keep_last_admin=True))
    return key_out(key.model_dump())
