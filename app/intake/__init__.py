"""Intakes: other systems' own payloads, taken in as they are and read by a stored mapping."""
