"""Question sets as published: numbered, immutable versions."""
