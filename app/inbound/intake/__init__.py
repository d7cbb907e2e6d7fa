"""Intakes: payloads of other systems, stored as they arrive and read with a mapping."""
