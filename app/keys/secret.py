"""The text of a key, or of an intake's token: a prefix, 32 random characters, and 6 that check them.

The checksum lets a mistyped key be refused, and a leaked one be found by a scanner, without a look-up.
"""

import hashlib
import secrets
import string
from zlib import crc32

PREFIX = "pfk_"
OF_INTAKES = "pfi_"
ALPHABET = string.digits + string.ascii_letters
RANDOM_CHARACTERS = 32
CHECK_CHARACTERS = 6
SHOWN_CHARACTERS = 10


def new_secret(seed: bytes | None = None, prefix: str = PREFIX) -> str:
    """A new key of 190 random bits; from a seed of at least 64 bytes always the same one."""
    number = int.from_bytes(seed or secrets.token_bytes(64))
    random = _characters(number, RANDOM_CHARACTERS)
    return prefix + random + _checksum(random)


def is_plausible(secret: str) -> bool:
    """False for a `pfk_` key whose checksum is wrong; an operator's own key has none."""
    return not secret.startswith(PREFIX) or is_checked(secret, PREFIX)


def is_checked(secret: str, prefix: str) -> bool:
    """Whether a text could be one of those that begin so: its checksum is right."""
    if not secret.startswith(prefix):
        return False
    body = secret.removeprefix(prefix)
    random, check = body[:-CHECK_CHARACTERS], body[-CHECK_CHARACTERS:]
    return len(random) == RANDOM_CHARACTERS and check == _checksum(random)


def beginning(secret: str) -> str:
    """What may be shown of a key to tell it from others: never more than a quarter."""
    return secret[: min(SHOWN_CHARACTERS, len(secret) // 4)]


def digest(secret: str) -> str:
    """What is stored of a key: SHA-256 in hex. It needs no salt, since a key is no guessable word."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(random: str) -> str:
    return _characters(crc32(random.encode()), CHECK_CHARACTERS)


def _characters(number: int, count: int) -> str:
    characters = []
    for _ in range(count):
        number, rest = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[rest])
    return "".join(characters)
