"""The operations under /v1: parse, call a flow, answer."""
