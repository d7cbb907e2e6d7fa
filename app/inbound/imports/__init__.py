"""Imports: prospects from files of any size."""
