"""The impact of a draft on stored sessions."""
