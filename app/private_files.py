"""Files and folders that only their owner can read, and writing them to the disk."""

import os
from pathlib import Path
from stat import S_ISDIR
from tempfile import gettempdir

from app.problems import Problem, unavailable

PRIVATE_FILE_MODE = 0o600
PRIVATE_FOLDER_MODE = 0o700


class PrivateFolder:
    """A folder inside the folder for temporary files. All processes of a user share it."""

    def __init__(self, name: str) -> None:
        owner = os.getuid() if os.name == "posix" else ""
        self.path = Path(gettempdir()) / f"prospect-fit-{name}-{owner}"

    def create(self) -> None:
        """Create the folder if it is missing. Raises UNAVAILABLE if that fails, or if it is not private."""
        try:
            self.path.mkdir(PRIVATE_FOLDER_MODE)
        except FileExistsError:
            pass
        except OSError:
            raise no_space() from None
        if not self.is_private():
            raise unavailable(f"{self.path} belongs to another user, or others can read it: delete it.")

    def is_private(self) -> bool:
        """Return whether the folder exists, and nobody else can write its files.

        Others may have created one of its name, because its parent is public: their files could be links to
        files that only the service may read.
        """
        try:
            found = self.path.lstat()
        except OSError:
            return False
        is_own = os.name != "posix" or found.st_uid == os.getuid()
        return S_ISDIR(found.st_mode) and is_own and not is_readable_by_others(self.path)


def no_space() -> Problem:
    """Return the UNAVAILABLE problem for a temporary file that cannot be stored."""
    return unavailable("The service cannot write to its folder for temporary files, or the disk is full.")


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
