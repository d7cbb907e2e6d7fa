"""The operations under /v1: parse, call one service function, answer."""
