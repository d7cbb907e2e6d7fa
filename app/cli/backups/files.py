"""Files that appear only when they are complete."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from app.private_files import PRIVATE_FILE_MODE, sync

# Errors of file systems that have no hard links, such as FAT and some network file systems.
NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class UnusableBackup(Exception):
    """A backup cannot be written or restored. The message says why, and what to do."""


@contextmanager
def new_file(file: Path, *, replace: bool) -> Iterator[Path]:
    """Yield a new, empty file next to `file` that only its owner may read; rename it if the block succeeds.

    A process that is killed leaves the new file, but never an incomplete `file`.

    Raises:
        UnusableBackup: if the folder cannot be written, or if `file` exists and `replace` is false.
    """
    part = file.with_name(f".{file.name}.{token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE_MODE))
    except OSError as error:
        raise UnusableBackup(f"{file.parent} cannot be written: {error.strerror}.") from error
    try:
        yield part
        sync(part)
        if replace:
            part.replace(file)
        else:
            _rename_to_new(part, file)
        sync(file.parent)
    finally:
        # SQLite may have left its own files next to it.
        for left in part.parent.glob(f"{part.name}*"):
            left.unlink()


def already_exists(file: Path) -> UnusableBackup:
    """Return the exception for a file that exists and must not be replaced."""
    return UnusableBackup(f"{file} exists already: choose another name, or use --force to replace it.")


def _rename_to_new(part: Path, file: Path) -> None:
    """Rename a file. Unlike a plain rename, this never replaces a file that was created meanwhile."""
    try:
        os.link(part, file)
    except FileExistsError:
        raise already_exists(file) from None
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if file.exists():
            raise already_exists(file) from None
        part.rename(file)
