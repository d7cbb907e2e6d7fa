"""Commands as processes of their own."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.catalogue import run_migrations
from tests.cli.started import ENVIRONMENT, Started, shared
from tests.conftest import DATABASE, ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def started() -> Started:
    """Imports what takes a command most of its time, once."""
    return shared()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without content."""
    file = tmp_path_factory.mktemp("migrated") / "empty.db"
    run_migrations(f"sqlite:///{file}")
    return file


@pytest.fixture
def run(tmp_path: Path, run_without_database: Run, migrated_file: Path) -> Run:
    """Runs `prospect-fit` in an empty folder, with a database of its own."""
    (tmp_path / DATABASE).parent.mkdir()
    shutil.copy(migrated_file, tmp_path / DATABASE)
    return run_without_database


@pytest.fixture
def run_without_database(tmp_path: Path, started: Started) -> Run:
    """The same, where there is no database yet."""

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
