"""Intakes: store payloads from other systems as they arrive, and read them with a mapping."""
