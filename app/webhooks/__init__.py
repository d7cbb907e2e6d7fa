"""Webhooks: send events to other systems, or write figures into their records."""
