"""Question sets: drafts, and numbered, immutable versions."""
