"""Webhooks: what happens here, sent to where people work."""
