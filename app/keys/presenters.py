"""API keys as callers see them."""

from app.keys.schemas import KeyOut


def key_out(key: dict[str, object]) -> KeyOut:
    """Return the response for a stored key, which never contains the key itself."""
    return KeyOut.model_validate({name: key[name] for name in KeyOut.model_fields})
