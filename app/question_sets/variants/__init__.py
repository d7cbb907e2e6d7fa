"""Question sets that are based on another version: they change, add and omit questions."""
