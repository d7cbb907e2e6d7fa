"""Files that only their owner can read, and that are on the disk when a function returns."""

import os
from pathlib import Path

PRIVATE_FILE_MODE = 0o600
PRIVATE_FOLDER_MODE = 0o700


def is_readable_by_others(file: Path) -> bool:
    """Return whether a file exists that its group or other users can read or write. Windows has no modes."""
    return os.name == "posix" and file.exists() and bool(file.stat().st_mode & ~PRIVATE_FOLDER_MODE & 0o777)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
