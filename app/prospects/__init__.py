"""Prospects, their links and value aliases."""
