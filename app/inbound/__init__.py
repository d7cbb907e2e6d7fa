"""Receive data from other systems and people: forms, payloads and files."""
