"""API keys, their scopes, and idempotency."""
