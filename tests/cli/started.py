"""`prospect-fit`, imported once: every command is a process of its own that begins after the imports.

Run as a program it reads a command a line, as JSON. It tells the exit code a line, or the number of the
process if that is to run in the background.
"""

import atexit
import gc
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT
from tests.waiting import PATIENCE

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}


class Background:
    """A process that runs until it ends by itself or is told to."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def has_ended(self, seconds: float = 0) -> bool:
        """Whether it ends within so many seconds."""
        readable, _, _ = select.select([self._descriptor], [], [], seconds)
        return bool(readable)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if not self.has_ended():
            signal.pidfd_send_signal(self._descriptor, signal.SIGTERM)
        assert self.has_ended(PATIENCE), f"process {self.pid} does not stop"
        os.close(self._descriptor)


class Started:
    """A process that waits for commands."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.started"],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: Sequence[str], cwd: Path, *, patch: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """What a command says, run in a folder with nothing but these in its environment.

        `patch` is code that the process runs first.
        """
        with TemporaryDirectory() as folder:
            said = [Path(folder) / name for name in ("stdout", "stderr")]
            code = self._ask(arguments, cwd, said, settings, patch=patch)
            out, err = (file.read_text("utf-8") for file in said)
        return subprocess.CompletedProcess(arguments, code, out, err)

    def start(
        self, arguments: Sequence[str], cwd: Path, said: Sequence[Path], patch: str = "", **settings: str
    ) -> Background:
        """Starts a command that writes to these two files. `patch` is code that the process runs first."""
        return Background(self._ask(arguments, cwd, said, settings, patch=patch, background=True))

    def _ask(
        self,
        arguments: Sequence[str],
        cwd: Path,
        said: Sequence[Path],
        settings: Mapping[str, str],
        **others: object,
    ) -> int:
        wanted = {"arguments": arguments, "cwd": str(cwd), "said": list(map(str, said))}
        self._process.stdin.write(json.dumps({**wanted, "settings": settings, **others}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE)


@cache
def shared() -> Started:
    """The one of this process."""
    waiting = Started()
    atexit.register(waiting.close)
    return waiting


def _serve() -> None:
    # By whoever runs commands, not by whoever asks for them.
    from app.cli.main import COMMANDS, load, main  # noqa: PLC0415
    from app.question_sets.builtin_sets import read_builtin  # noqa: PLC0415

    for name in COMMANDS:
        load(name)
    read_builtin()
    # What is imported stays: no command looks for garbage in it, and so copies its memory.
    gc.freeze()
    in_background: set[int] = set()
    for line in sys.stdin:
        wanted = json.loads(line)
        in_background = {child for child in in_background if os.waitpid(child, os.WNOHANG) == (0, 0)}
        child = os.fork()
        if child == 0:
            _become(main, wanted)
        if wanted.get("background"):
            in_background.add(child)
            print(child, flush=True)  # noqa: T201
        else:
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _become(main: object, wanted: Mapping) -> None:
    code = 1
    try:
        os.chdir(wanted["cwd"])
        os.environ |= wanted["settings"]
        for descriptor, file in zip((1, 2), wanted["said"], strict=True):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout.reconfigure(line_buffering=True)
        exec(wanted.get("patch", ""), {})
        sys.argv[1:] = wanted["arguments"]
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # a command that fails in a new way tells so as any would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
