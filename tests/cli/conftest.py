"""Commands as processes of their own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.started import ENVIRONMENT, Started
from tests.conftest import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def started() -> Iterator[Started]:
    """Imports what takes a command most of its time, once."""
    waiting = Started()
    yield waiting
    waiting.close()


@pytest.fixture
def run(tmp_path: Path, started: Started) -> Run:
    """Runs `prospect-fit` in an empty folder, with a database of its own."""

    def run_here(*arguments: str, source: Path = ROOT) -> subprocess.CompletedProcess[str]:
        if source == ROOT:
            return started.run(arguments, tmp_path)
        return subprocess.run(
            [sys.executable, "-c", "from app.cli.main import main; main()", *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT | {"PYTHONPATH": str(source)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_here
