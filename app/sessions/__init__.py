"""Qualification sessions: open, answer, decide, record the outcome."""
