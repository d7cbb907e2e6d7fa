"""Flat forms: one field for each attribute and question of a question set."""
