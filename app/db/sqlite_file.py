"""The file of an SQLite database: create, open, lock and mark it.

SQLite creates a file whenever it opens one that does not exist. Here only `create` may do that: a mistyped
path or a deleted file must not become a new, empty database.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

from sqlalchemy.engine import make_url

from app.private_files import PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE, is_readable_by_others

MAGIC = b"SQLite format 3\x00"
# The two bytes of the header that say how to write and read the file: 2 is write-ahead logging.
VERSION_BYTES, WAL_VERSION = slice(18, 20), b"\x02\x02"
SIDE_FILE_SUFFIXES = ("-wal", "-shm", "-journal")
CREATE_SECONDS = 5
FIND_IN_USE = "SELECT in_use_since FROM installation"


def create(path: Path) -> None:
    """Create the file and its folder if they do not exist, and switch it to write-ahead logging.

    Only their owner can read what this creates; what exists keeps its mode. Other processes may do the same
    at this moment. The busy time-out of SQLite does not apply to the switch, so it is repeated.
    """
    for folder in reversed([folder for folder in path.parents if not folder.exists()]):
        folder.mkdir(PRIVATE_FOLDER_MODE, exist_ok=True)
    with suppress(FileExistsError):
        # Never open a database that exists: closing it again would release the locks of SQLite.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_FILE_MODE))
    deadline = monotonic() + CREATE_SECONDS
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                if monotonic() > deadline:
                    raise
                sleep(0.01)
            else:
                return


def path_of(url: str) -> Path | None:
    """Return the absolute path of an SQLite database; None for the URL of another database."""
    parsed = make_url(url)
    return Path(parsed.database).absolute() if url.startswith("sqlite") and parsed.database else None


def uri(path: Path, mode: str = "rw", *, immutable: bool = False) -> str:
    """Return the URI that opens an existing file. With `immutable`, its journal is ignored."""
    return f"file:{quote(str(path))}?mode={mode}" + ("&immutable=1" if immutable else "")


def has_content(path: Path) -> bool:
    """Return whether the file exists and is not empty."""
    return path.is_file() and path.stat().st_size > 0


def is_sqlite(path: Path) -> bool:
    """Return whether a file begins as SQLite databases do."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def inode_of(path: Path) -> int | None:
    """Return the inode number of the file, or None if there is no file."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def side_file(path: Path, suffix: str) -> Path:
    """Return the path of the journal or the index that SQLite keeps next to a database."""
    return path.with_name(path.name + suffix)


def readable_by_others(path: Path) -> list[Path]:
    """Return the database and its side files, if their group or other users can read or write them."""
    files = [path, *(side_file(path, suffix) for suffix in SIDE_FILE_SUFFIXES)]
    return [file for file in files if is_readable_by_others(file)]


def mark_in_use(path: Path, at: datetime) -> None:
    """Record in the database file itself, and not only in its journal, that a service uses it.

    `used_without_journal` uses this mark to recognise a copy of the file alone. This raises nothing, because
    a service must also start if its disk is full.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri(path), uri=True)) as connection, connection:
        connection.execute("UPDATE installation SET in_use_since = ?", [stored_time(at)])
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri(path), uri=True)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def mark_closed(path: Path) -> None:
    """Remove the mark of `mark_in_use` if no other connection is open.

    SQLite deletes the journal when the last connection is closed, after copying its content to the database.
    """
    if side_file(path, "-wal").exists() or not has_content(path):
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri(path), uri=True, timeout=0)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        with connection:
            connection.execute("UPDATE installation SET in_use_since = NULL WHERE in_use_since IS NOT NULL")


def used_without_journal(path: Path) -> datetime | None:
    """Return when a service began to use the database, if its journal is missing; otherwise None.

    While a service runs, and after it was killed, the journal is next to the database. If the file says that
    it is in use and there is no journal, somebody copied the file alone: the changes that were in the journal
    are missing. The file also looks like this after the service was killed and another program opened it;
    then nothing is missing. Call this before anything opens the file, because opening it creates a journal.
    """
    if not has_content(path) or side_file(path, "-wal").exists():
        return None
    with path.open("rb") as file:
        header = file.read(20)
    if header[VERSION_BYTES] != WAL_VERSION:
        return None
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(uri(path, "ro", immutable=True), uri=True)) as connection,
    ):
        (since,) = connection.execute(FIND_IN_USE).fetchone() or (None,)
        return datetime.fromisoformat(since).replace(tzinfo=UTC) if since else None
    return None


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection with a lock that excludes all other connections, including idle ones.

    Raises:
        sqlite3.OperationalError: if another connection is open.
    """
    connection = sqlite3.connect(uri(path), uri=True, isolation_level=None, timeout=0)
    with closing(connection):
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")  # which in this mode keeps the lock
        yield connection


def stored_time(at: datetime) -> str:
    """Return a time as text in UTC. These texts sort like their times."""
    return at.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00")
