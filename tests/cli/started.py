"""`prospect-fit`, imported once: every command is a process of its own that begins after the imports.

Run as a program it reads a command a line, as JSON, and tells its exit code a line.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import ROOT
from tests.waiting import PATIENCE

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}


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

    def run(self, arguments: Sequence[str], cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
        """What a command says, run in a folder with nothing but these in its environment."""
        with TemporaryDirectory() as folder:
            said = [Path(folder) / name for name in ("stdout", "stderr")]
            wanted = {"arguments": arguments, "cwd": str(cwd), "said": list(map(str, said))}
            wanted["settings"] = settings
            self._process.stdin.write(json.dumps(wanted) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            out, err = (file.read_text("utf-8") for file in said)
        return subprocess.CompletedProcess(arguments, code, out, err)

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE)


def _serve() -> None:
    # By whoever runs commands, not by whoever asks for them.
    from app.cli.main import main  # noqa: PLC0415
    from app.question_sets.files import read_builtin  # noqa: PLC0415

    read_builtin()
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(main, wanted)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _become(main: object, wanted: Mapping) -> None:
    code = 1
    try:
        os.chdir(wanted["cwd"])
        os.environ |= wanted["settings"]
        for descriptor, file in zip((1, 2), wanted["said"], strict=True):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
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
