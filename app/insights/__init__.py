"""Statistics on outcomes: what they say about scores, questions, assessors and accounts. It only reads."""
