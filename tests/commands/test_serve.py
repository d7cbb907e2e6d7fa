"""`serve`, from an empty folder to the curl that it prints."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, needs


@contextmanager
def serve(folder: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A serving process and all that it prints before it answers."""
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "0"]
    environment |= {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        greeting = ""
        for line in process.stdout:
            greeting += line
            if "-d '" in line:
                break
        try:
            yield process, greeting
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def test_the_printed_curl_works_as_it_stands_and_the_key_is_shown_once(tmp_path: Path) -> None:
    needs("curl")
    with serve(tmp_path) as (_, greeting):
        curl = greeting[greeting.index("curl ") :]
        done = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True)
        assert '"question_set":"qualifying-a-sale@1"' in done.stdout
        assert len(set(re.findall(r"pfk_\w+", greeting))) == 1
    assert (tmp_path / "data/prospect_fit.db").exists()
    with serve(tmp_path) as (_, again):
        assert "pfk_" not in again


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_key_from_a_file_opens_every_process(tmp_path: Path, workers: str) -> None:
    secret = "from-a-file-" + "x" * 20
    file = tmp_path / "key"
    file.write_text(secret + "\n")
    with serve(tmp_path, "--workers", workers, PROSPECT_FIT_ADMIN_KEY_FILE=str(file)) as (_, greeting):
        url = re.search(r"http://[\d.:]+", greeting)
        assert url
        answers = [
            httpx.get(f"{url[0]}/v1/keys", headers={"Authorization": f"Bearer {secret}"}, timeout=30)
            for _ in range(8)
        ]
        assert {answer.status_code for answer in answers} == {200}


def test_a_port_that_is_taken_is_said_before_anything_is_served(tmp_path: Path) -> None:
    with serve(tmp_path) as (_, greeting):
        port = re.search(r"http://[\d.]+:(\d+)", greeting)
        assert port
        done = subprocess.run(
            [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", port[1]],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Choose another --port" in done.stderr
