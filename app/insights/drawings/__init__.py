"""Draws reports as SVG: pure functions that take plain figures and return text."""
