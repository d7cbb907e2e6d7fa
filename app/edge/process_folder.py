"""The folder for the temporary files of a process. If the process is killed, another one deletes it."""

import logging
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from threading import Lock

import anyio
from anyio import to_thread
from filelock import BaseFileLock, FileLock, Timeout

from app.private_files import PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE, PrivateFolder, no_space

log = logging.getLogger(__name__)
CLEANUP_SECONDS = 600
LOCK_SUFFIX = ".lock"


class ProcessFolder:
    """The folder of one process, which holds the lock file beside it.

    The operating system releases the lock when the process ends. `path`, `close` and `delete_abandoned` can
    wait for the disk.
    """

    def __init__(self) -> None:
        self._parent = PrivateFolder("processes")
        self._path = self._parent.path / secrets.token_hex(8)
        self._creating = Lock()
        self._lock: BaseFileLock | None = None

    def path(self) -> Path:
        """Return the folder, and create it on first use. Raises UNAVAILABLE if it cannot be created."""
        try:
            with self._creating:
                if self._lock is None:
                    self._parent.create()
                    # The lock comes before the folder, so that no other process deletes the folder.
                    self._lock = _locked(self._path)
                self._path.mkdir(PRIVATE_FOLDER_MODE, exist_ok=True)
        except OSError:
            raise no_space() from None
        return self._path

    def close(self) -> None:
        """Delete the folder."""
        with self._creating:
            if self._lock is not None:
                _delete(self._path, self._lock)
                self._lock = None

    async def run(self) -> None:
        """Delete the folders of processes that were killed, until cancelled; never returns."""
        while True:
            await to_thread.run_sync(self.delete_abandoned)
            await anyio.sleep(CLEANUP_SECONDS)

    def delete_abandoned(self) -> None:
        """Delete the folders of processes that were killed."""
        if not self._parent.is_private():
            return
        for file in self._parent.path.glob(f"*{LOCK_SUFFIX}"):
            with suppress(Timeout, OSError):
                folder = file.with_suffix("")
                _delete(folder, _locked(folder))
                log.info("deleted the temporary files of a process that was killed")


def _locked(folder: Path) -> BaseFileLock:
    """Acquire the lock of a folder. Raises Timeout if a process holds it, or OSError."""
    lock = FileLock(folder.with_suffix(LOCK_SUFFIX), mode=PRIVATE_FILE_MODE, thread_local=False)
    lock.acquire(timeout=0)
    return lock


def _delete(folder: Path, lock: BaseFileLock) -> None:
    """Delete a folder, and then its lock, which the caller holds."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
