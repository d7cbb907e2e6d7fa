"""Prospects and their links. Scores are elsewhere."""
