"""The service as it is started: `prospect-fit serve`, with its log in a file."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli.started import shared
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.waiting import PATIENCE, until


@dataclass(frozen=True)
class Served:
    """A serving process: its address, its number and what it logs."""

    url: str
    pid: int
    log: Path

    def lines(self) -> list[dict]:
        """All that it logged so far, every line of which has to be JSON."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def has_ended(self) -> bool:
        """Whether it is gone. A process that nobody has waited for yet has no command line."""
        command_line = Path(f"/proc/{self.pid}/cmdline")
        return not command_line.exists() or not command_line.read_bytes()

    def megabytes(self) -> int:
        """The memory that it holds at this moment."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) // 1024


@contextmanager
def process(folder: Path, database_url: str, *, patch: str = "", **settings: str) -> Iterator[Served]:
    """A serving process of its own; `settings` by their names in the environment, without the prefix.

    `patch` is code that it runs first.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "PROSPECT_FIT_DATABASE_URL": database_url,
        "PROSPECT_FIT_ADMIN_KEY": ADMIN_KEY,
        "PROSPECT_FIT_WAIT_SECONDS": f"{PATIENCE / 2}",
        **({"PROSPECT_FIT_ENCRYPTION_KEY": ENCRYPTION_KEY} if database_url.startswith("postgresql") else {}),
    } | {f"PROSPECT_FIT_{name}": value for name, value in settings.items()}
    log = folder / "log"
    with TemporaryDirectory() as said:
        greeting = Path(said) / "greeting"
        greeting.touch()
        running = shared().start(
            ["serve", "--port", "0"], folder, [greeting, log], patch=patch, **environment
        )
        try:
            until(lambda: "-d '" in greeting.read_text("utf-8") or running.has_ended())
            assert not running.has_ended(), log.read_text("utf-8")
            url = re.search(r"http://[\d.:]+", greeting.read_text("utf-8"))[0]
            yield Served(url, running.pid, log)
        finally:
            running.stop()
