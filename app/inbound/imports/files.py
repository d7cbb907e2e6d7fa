"""Files that people have uploaded to import, kept from the upload to the result in a private folder.

All processes of one machine share the folder, so any of them can show and run an import. Each file has a
folder of its own, with an unguessable name. It contains the `content`, the `upload` and the `run` as JSON,
the `rejects`, the `lock` that a running import holds, and `stop`, which requests that it stops.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import IO
from uuid import UUID

from filelock import FileLock, Timeout
from pydantic import BaseModel, ValidationError

from app.inbound.imports.schemas import Run, Upload
from app.private_files import PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE, PrivateFolder, no_space
from app.problems import NOT_FOUND, Problem

ID_BYTES = 16
ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")
# A file is deleted this long after it was last used.
KEPT_SECONDS = 24 * 3600
# One key can have this many files at a time. A further one replaces the one that was used least recently.
MAX_FILES_PER_KEY = 10
NOT_HERE = (
    "The service does not have this file. It deletes a file a day after its last use. Imported rows stay. "
    "Upload the file again."
)


class UploadedFile:
    """The folder of one file. All methods may wait for the disk."""

    def __init__(self, folder: Path) -> None:
        self.content = folder / "content"
        self.rejects = folder / "rejects"
        self._folder = folder
        self._upload = folder / "upload"
        self._run = folder / "run"
        self._stop = folder / "stop"

    def upload(self) -> Upload:
        """Return the stored description of the file. Raises NOT_FOUND if it was deleted."""
        try:
            return Upload.model_validate_json(self._upload.read_bytes())
        except (OSError, ValidationError):
            raise not_here() from None

    def save_upload(self, upload: Upload) -> None:
        """Store the description. Raises NOT_FOUND if the file is gone, UNAVAILABLE if the disk is full."""
        self._write(self._upload, upload)

    def run(self, *, holds_lock: bool = False) -> Run | None:
        """Return the last run; None if there was none. If its process was killed, its status is `stopped`.

        With `holds_lock`, the caller has the lock, so no process is running it.
        """
        try:
            run = Run.model_validate_json(self._run.read_bytes())
        except (OSError, ValidationError):
            return None
        if run.status == "running" and (holds_lock or not self.is_locked()):
            return run.model_copy(update={"status": "stopped", "ended": "process", "committed_to": 0})
        return run

    def save_run(self, run: Run) -> None:
        """Store the progress of a run. Raises what `save_upload` raises."""
        self._write(self._run, run)

    def is_locked(self) -> bool:
        """Return whether a process runs a preview or an import."""
        if self.is_deleted():
            return False  # a lock would create its folder again
        try:
            self.lock().release()
        except Timeout:
            return True
        except OSError:
            return False  # the file was deleted
        return False

    def lock(self) -> FileLock:
        """Return the lock of the file, which is released if the process is killed.

        Raises:
            Timeout: if another run holds it.
        """
        lock = FileLock(self._folder / "lock", mode=PRIVATE_FILE_MODE, thread_local=False)
        lock.acquire(timeout=0)
        return lock

    def request_stop(self) -> None:
        """Request that the process that runs it stops after the current commit."""
        with suppress(FileNotFoundError):  # it was deleted, which stops it too
            self._stop.touch(PRIVATE_FILE_MODE)

    def should_stop(self) -> bool:
        """Return whether a person wants the run to stop."""
        return self._stop.exists() or self.is_deleted()

    def is_deleted(self) -> bool:
        """Return whether the file was deleted."""
        return not self._upload.exists()

    def forget_stop(self) -> None:
        """Delete an earlier request to stop."""
        self._stop.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete the file. A run of it stops."""
        self._upload.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def last_used(self) -> float:
        """Return when the file was last used, as seconds since 1970."""
        paths = (self._run, self._upload, self.content)
        return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)

    def _write(self, path: Path, stored: BaseModel) -> None:
        unfinished = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
        try:
            with private_file(unfinished) as file:
                file.write(stored.model_dump_json().encode())
            os.replace(unfinished, path)  # noqa: PTH105  # atomic, and replaces an existing file
        except FileNotFoundError:
            raise not_here() from None
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise no_space() from None


class UploadFolder:
    """The private folder with the files that people have uploaded to import."""

    def __init__(self) -> None:
        self._folder = PrivateFolder("imports")

    def add(self, sent: IO[bytes]) -> tuple[str, UploadedFile]:
        """Store the content of a new file, and return its id. Raises UNAVAILABLE if the disk is full."""
        self._folder.create()
        upload_id = secrets.token_urlsafe(ID_BYTES)
        folder = self._folder.path / upload_id
        file = UploadedFile(folder)
        try:
            folder.mkdir(PRIVATE_FOLDER_MODE)
            with private_file(file.content) as content:
                shutil.copyfileobj(sent, content, 1024 * 1024)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise no_space() from None
        return upload_id, file

    def find(self, upload_id: str, key_id: UUID, actor: str) -> UploadedFile:
        """Return a file of a person. Raises NOT_FOUND if it was deleted, or belongs to somebody else."""
        if ID_PATTERN.fullmatch(upload_id) and self._folder.is_private():
            file = UploadedFile(self._folder.path / upload_id)
            upload = file.upload()
            if (upload.key_id, upload.actor) == (key_id, actor):
                return file
        raise not_here()

    def of(self, key_id: UUID, actor: str | None = None) -> Sequence[tuple[UploadedFile, Upload]]:
        """Return the files of a key, or only those of one person with this key, the last used one first."""
        found = []
        for file in self._all():
            with suppress(OSError, Problem):
                upload = file.upload()
                if upload.key_id == key_id and actor in (None, upload.actor):
                    found.append((file.last_used(), file, upload))
        found.sort(key=lambda one: one[0], reverse=True)
        return [(file, upload) for _, file, upload in found]

    def make_room(self, key_id: UUID) -> None:
        """Delete the least recently used files of a key with too many, except running imports."""
        for file, _ in self.of(key_id)[MAX_FILES_PER_KEY - 1 :]:
            if not file.is_locked():
                file.delete()

    def delete_expired(self) -> None:
        """Delete the files that nobody has used for KEPT_SECONDS."""
        for file in self._all():
            with suppress(OSError):
                if file.last_used() < time() - KEPT_SECONDS:
                    file.delete()

    def _all(self) -> list[UploadedFile]:
        if not self._folder.is_private():
            return []
        return [UploadedFile(path) for path in self._folder.path.iterdir() if ID_PATTERN.fullmatch(path.name)]


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """Create a file that only its owner can read. Raises OSError."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE_MODE), "wb") as file:
        yield file


def not_here() -> Problem:
    """Return the problem of a file that does not exist, or belongs to somebody else."""
    return Problem(NOT_FOUND, NOT_HERE)
