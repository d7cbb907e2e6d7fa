"""API keys as callers see them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from app.db import Transaction
from app.keys.queries import successors_of
from app.keys.schemas import KeyCreated, KeyOut
from app.keys.tables import ApiKey


def keys_out(tx: Transaction, keys: Sequence[ApiKey]) -> list[KeyOut]:
    """Return the responses for stored keys, which never contain the keys themselves."""
    successors = successors_of(tx, [key.id for key in keys])
    return [KeyOut.model_validate({**_fields(key), "successor": successors.get(key.id)}) for key in keys]


def key_created(key: ApiKey, secret: str) -> KeyCreated:
    """Return the response for a new key, with its secret."""
    return KeyCreated.model_validate({**_fields(key), "successor": None, "key": secret})


def _fields(key: ApiKey) -> dict[str, Any]:
    # The day that ends with the time of expiry is still one on which the key works.
    last = key.expires_at - timedelta.resolution if key.expires_at else None
    return key.model_dump(include=set(KeyOut.model_fields)) | {"expires_on": last.date() if last else None}
