"""Question sets: drafts, numbered immutable versions, and the choice of a set for a prospect."""
