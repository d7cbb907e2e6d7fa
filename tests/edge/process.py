"""The service as it is started: `prospect-fit serve`, with its log in a file."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY, ROOT
from tests.waiting import PATIENCE

RUN = "from app.cli.main import main; main()"


@dataclass(frozen=True)
class Served:
    """A serving process: its address, its number and what it logs."""

    url: str
    pid: int
    log: Path

    def lines(self) -> list[dict]:
        """All that it logged so far, every line of which has to be JSON."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def megabytes(self) -> int:
        """The memory that it holds at this moment."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) // 1024


@contextmanager
def process(folder: Path, database_url: str, *, patch: str = "", **settings: str) -> Iterator[Served]:
    """A serving process of its own; `settings` by their names in the environment, without the prefix.

    `patch` is code that it runs first.
    """
    command = [sys.executable, "-c", f"{patch}\n{RUN}", "serve", "--port", "0"]
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "PROSPECT_FIT_DATABASE_URL": database_url,
        "PROSPECT_FIT_ADMIN_KEY": ADMIN_KEY,
        "PROSPECT_FIT_WAIT_SECONDS": f"{PATIENCE / 2}",
        **({"PROSPECT_FIT_ENCRYPTION_KEY": ENCRYPTION_KEY} if database_url.startswith("postgresql") else {}),
    } | {f"PROSPECT_FIT_{name}": value for name, value in settings.items()}
    log = folder / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as running,
    ):
        greeting = ""
        for line in running.stdout:
            greeting += line
            if "-d '" in line:
                break
        try:
            yield Served(re.search(r"http://[\d.:]+", greeting)[0], running.pid, log)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(PATIENCE)
