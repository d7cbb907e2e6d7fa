"""Kill a rotation at each of its steps, and report what each kill leaves.

Run as a program with the folder of an SQLite database: a step is whatever opens, writes, syncs, renames or
removes a file, or sends a statement to the database. Every rotation is a process of its own on a copy of the
folder, killed before one of the steps, until one has no step left. Each prints a line of JSON.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, event

from app.db import open_database
from app.encryption.service import Cipher, key_id_of, open_cipher, rotate_key
from app.settings import parse_encryption_keys
from tests.conftest import settings_for
from tests.encryption.conftest import COLUMNS

KINDS = {"secret": "signing secret", "old_secret": "signing secret"}
KINDS |= {"credential": "credential", "signature_secret": "signature secret"}
FILE_EVENTS = ("open", "os.rename", "os.remove", "os.chmod")


def in_child(work: Callable[[], None]) -> int:
    """How a child ends that does the work: 0, or the negative number of its signal."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def rotate(database_file: Path, last_step: int | None = None) -> None:
    settings = settings_for(f"sqlite:///{database_file}")
    database, cipher = open_database(settings), open_cipher(settings)
    with database.engine.connect():
        pass  # its pragmas are no steps of the rotation
    if last_step is not None:
        kill_before(last_step)
    rotate_key(database, cipher)


def kill_before(last_step: int) -> None:
    left = iter(range(last_step, -1, -1))

    def step(*_: object) -> None:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sync = os.fsync

    def counted_sync(descriptor: int) -> None:
        step()
        sync(descriptor)
        step()

    os.fsync = counted_sync
    sys.addaudithook(lambda name, _: step() if name in FILE_EVENTS else None)
    for name in ("begin", "commit", "before_cursor_execute", "after_cursor_execute"):
        event.listen(Engine, name, step)


def state(database_file: Path) -> dict[str, object]:
    """What the key file and the database hold: decrypted with the file alone."""
    key_file = Path(f"{database_file}.key")
    cipher, read = Cipher(None, key_file), {}
    with closing(sqlite3.connect(database_file)) as connection:
        for table, columns in COLUMNS.items():
            for column in columns:
                for row_id, stored in connection.execute(f"SELECT id, {column} FROM {table}"):
                    if stored:
                        plain = cipher.decrypt(KINDS[column], _uuid(row_id), stored)
                        read[f"{table}.{column} {row_id}"] = plain
        (named,) = connection.execute("SELECT key_id FROM encryption_key").fetchone()
    return {
        "keys": [key_id_of(key) for key in parse_encryption_keys(key_file.read_text())],
        "named": named,
        "read": read,
        "mode": oct(key_file.stat().st_mode & 0o777),
    }


def _uuid(text: str) -> object:
    from uuid import UUID  # noqa: PLC0415

    return UUID(text)


def main(folder: Path) -> None:
    for last_step in count():
        work = folder.with_name(f"{folder.name}-{last_step}")
        shutil.copytree(folder, work)
        database_file = work / "fit.db"
        ended = in_child(lambda: rotate(database_file, last_step))  # noqa: B023
        left = state(database_file)
        again = in_child(lambda: rotate(database_file))  # noqa: B023
        after = state(database_file)
        files = sorted(path.name for path in work.iterdir())
        print(json.dumps({"ended": ended, "left": left, "again": again, "after": after, "files": files}))  # noqa: T201
        shutil.rmtree(work)
        if ended == 0:
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
