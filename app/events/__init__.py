"""The change feed: events are recorded in the transaction that causes them, and read in one order."""
