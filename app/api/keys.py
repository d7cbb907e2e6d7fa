"""API keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import Field

from app.http.edge import router
from app.http.service import CallHere, Done, ServiceHere
from app.keys.secret import new_secret
from app.keys.store import Scope, create_key, list_keys, revoke_key
from app.sessions.case import Work
from app.wire import Line, Out, WriteIn

managing = router("keys", Scope.ADMIN)


class NewKey(WriteIn):
    """A key to make."""

    name: Annotated[Line, Field(description="who or what uses it", examples=["salesforce"])]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5, examples=[["read", "write"]])]


class KeyOut(Out):
    """A key, without the key itself."""

    id: UUID
    name: str
    shown: Annotated[str, Field(description="how the key begins", examples=["pfk_4fZq0s"])]
    scopes: list[Scope]
    created_at: datetime
    revoked_at: datetime | None


class KeyMade(KeyOut):
    """A new key. This is the only time that it is shown."""

    key: str


class KeyLines(Out):
    items: list[KeyOut]


@managing.post("/keys", operation_id="create_key", status_code=201, response_model=KeyMade)
async def post_key(request: NewKey, service: ServiceHere, call: CallHere) -> Response:
    """Create an API key. Store it at once: you cannot read it again."""
    secret = new_secret(call.seed)

    def make(work: Work) -> Done:
        key, _ = create_key(work.tx, request.name, request.scopes, "api", secret)
        made = {**key.model_dump(include=set(KeyOut.model_fields)), "key": secret}
        return Done(KeyMade.model_validate(made), 201, secret)

    return await service.write(call, make)


@managing.get("/keys", operation_id="list_keys")
async def get_keys(service: ServiceHere) -> KeyLines:
    """List the keys, oldest first, including revoked ones."""
    found = await service.database.read(list_keys)
    return KeyLines(items=[_line(key.model_dump()) for key in found])


@managing.delete("/keys/{key_id}", operation_id="revoke_key")
async def delete_key(key_id: UUID, service: ServiceHere) -> KeyOut:
    """Revoke a key, for good. Every process rejects it within two seconds."""
    return _line((await service.database.write(lambda tx: revoke_key(tx, key_id))).model_dump())


def _line(key: dict[str, object]) -> KeyOut:
    return KeyOut.model_validate({name: key[name] for name in KeyOut.model_fields})
