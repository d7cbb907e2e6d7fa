"""Prospects and their links: records only, no scores."""
