"""API keys as callers see them."""

from app.keys.schemas import KeyOut


def key_out(key: dict[str, object]) -> KeyOut:
    return KeyOut.model_validate({name: key[name] for name in KeyOut.model_fields})
