"""A disk of a few megabytes that can be filled, and a read-only view of a folder."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLER = "filler"


@contextmanager
def small_disk(folder: Path, megabytes: int, owner: int = 0) -> Iterator[Path]:
    """A file system of its own. Mounting one takes the rights of root, which only CI must have."""
    folder.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m,uid={owner},mode=0700", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only_view(folder: Path, view: Path) -> Iterator[Path]:
    """The same folder once more, on a file system that nobody may write to."""
    view.mkdir()
    _mount("--bind", str(folder), str(view))
    try:
        _mount("-o", "remount,bind,ro", str(view))
        yield view
    finally:
        subprocess.run(["umount", "--lazy", str(view)], check=True)


def make_writable(view: Path) -> None:
    _mount("-o", "remount,bind,rw", str(view))


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"this test mounts: {done.stderr}")


def fill(disk: Path, leave: int = 0) -> None:
    """Leave so many bytes free."""
    with (disk / FILLER).open("ab", buffering=0) as file:
        while (free := free_bytes(disk)) > leave:
            file.write(b"\0" * min(free - leave, 65536))


def free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_bsize


def make_room(disk: Path) -> None:
    (disk / FILLER).unlink()
