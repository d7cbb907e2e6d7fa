"""The comparison of the assessors of a prospect."""
