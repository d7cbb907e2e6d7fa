"""Prospects from files of any size: bytes become records, records become prospects, some at a time."""
