"""Qualification sessions: open, answer, decide, record the outcome. All that touches a score."""
