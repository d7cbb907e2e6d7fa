"""Qualification sessions: open, answer and move them, and record decisions and outcomes."""
