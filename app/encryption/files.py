"""The key file beside an SQLite database, and the keys in it: one key in each line."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path

from app.private_files import PRIVATE_FILE_MODE, sync
from app.problems import UserError
from app.settings import ENCRYPTION_KEY_BYTES, parse_encryption_keys

KEY_FILE_SUFFIX = ".key"


class WrongKey(UserError):
    """The process does not have the encryption key of its database. The message names the remedy."""


def key_file_of(database_file: Path) -> Path:
    """Return the path of the key file of an SQLite database."""
    return database_file.with_name(database_file.name + KEY_FILE_SUFFIX)


def new_key() -> bytes:
    """Return a new random key."""
    return os.urandom(ENCRYPTION_KEY_BYTES)


def read_key_file(file: Path) -> list[bytes]:
    """Return the keys of a key file, or an empty list if there is no such file.

    Raises:
        WrongKey: if the file contains anything else.
    """
    try:
        return parse_encryption_keys(file.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except ValueError:
        raise WrongKey(
            f"The key file {file} is damaged: each line must be {ENCRYPTION_KEY_BYTES} bytes in base64. "
            "Restore it from your copy."
        ) from None


def write_key_file(file: Path, keys: Sequence[bytes]) -> None:
    """Write a key file, readable by its owner only. After a crash, the file is either the old or the new one.

    Only one process at a time may call this: the callers hold the write lock of the database.
    """
    text = "".join(f"{base64.b64encode(key).decode()}\n" for key in keys)
    temporary = file.with_name(file.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(descriptor)
    temporary.replace(file)
    sync(file.parent)
