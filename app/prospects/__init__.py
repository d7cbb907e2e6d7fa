"""Prospects and their links, and the id rules and value aliases of sources."""
