"""Encrypts the secrets in the database, with a key that is stored elsewhere."""
