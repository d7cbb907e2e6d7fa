"""A command on a terminal, as people have it: a pseudo terminal."""

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.waiting import PATIENCE


def on_a_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit code of a command, and all that it wrote on the terminal."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "TERM": "xterm", "COLUMNS": "100"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = bytearray()
    # Linux tells the end of a terminal as an error.
    with suppress(OSError):
        while chunk := os.read(ours, 4096):
            shown += chunk
    os.close(ours)
    return running.wait(PATIENCE), shown.decode()
