"""Prospects and their links; what holds for the prospects of one source."""
