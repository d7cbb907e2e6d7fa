"""`serve`, from an empty folder to the curl that it prints."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.started import shared
from tests.conftest import ADMIN_KEY, ROOT, NewDatabase, needs
from tests.edge.proxy import Proxy
from tests.waiting import PATIENCE, until

SERVE = "from app.cli.main import main; main()"


@contextmanager
def serve(
    folder: Path, *options: str, patch: str = "", **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A serving process and all that it prints before it answers. `patch` is code that it runs first."""
    environment |= {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", patch + SERVE, "serve", "--port", "0", *options],
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
            assert process.wait(PATIENCE) in (0, -signal.SIGTERM, -signal.SIGINT, -signal.SIGKILL)
        finally:
            process.kill()


def pasted(lines: str) -> str:
    """What a shell prints when these lines are pasted into it."""
    return subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True).stdout


def to_paste(greeting: str) -> str:
    return greeting[greeting.index("KEY=") :]


def test_the_printed_lines_work_as_they_stand_and_the_key_is_shown_once(tmp_path: Path) -> None:
    needs("curl")
    with serve(tmp_path) as (_, greeting):
        assert '"question_set":"qualifying-a-sale@1"' in pasted(to_paste(greeting))
        shown = set(re.findall(r"pfk_\w+", greeting))
        assert len(shown) == 1
    assert (tmp_path / "data/prospect_fit.db").exists()
    with serve(tmp_path, "--default-question-set", "bant") as (_, again):
        assert "pfk_" not in again
        filled_in = to_paste(again).replace("KEY=…", f"KEY={shown.pop()}")
        assert '"question_set":"qualifying-a-sale@1"' in pasted(filled_in)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_key_from_a_file_opens_every_process(tmp_path: Path, workers: str) -> None:
    secret = "from-a-file-" + "x" * 20
    file = tmp_path / "key"
    file.write_text(secret + "\n")
    with serve(tmp_path, "--workers", workers, PROSPECT_FIT_ADMIN_KEY_FILE=str(file)) as (_, greeting):
        url = re.search(r"http://[\d.:]+", greeting)
        assert url
        answers = [
            httpx.get(f"{url[0]}/v1/keys", headers={"Authorization": f"Bearer {secret}"}, timeout=PATIENCE)
            for _ in range(8)
        ]
        assert {answer.status_code for answer in answers} == {200}


def test_a_service_behind_a_proxy_greets_with_its_public_address(tmp_path: Path) -> None:
    with serve(tmp_path, "--public-url", "https://crm.test/fit/") as (_, greeting):
        assert "runs at https://crm.test/fit (documentation: https://crm.test/fit/docs)" in greeting
        assert "curl https://crm.test/fit/v1/score" in greeting
        here = re.search(r"listens at (http://\S+)", greeting)
        assert here
        assert httpx.get(f"{here[1]}/livez", timeout=PATIENCE).is_success


def refusal(folder: Path, *options: str, patch: str = "") -> str:
    """What is said on standard error by a service that does not start. `patch` is code that it runs first."""
    done = shared().run(["serve", *options], folder, patch=patch)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_a_port_that_is_taken_is_said_before_anything_is_served(tmp_path: Path) -> None:
    with serve(tmp_path) as (_, greeting):
        port = re.search(r"http://[\d.]+:(\d+)", greeting)
        assert port
        assert "Choose another --port" in refusal(tmp_path, "--port", port[1])


def test_a_default_set_that_is_not_there_is_said_before_a_key_is_made(tmp_path: Path) -> None:
    told = refusal(tmp_path, "--port", "0", "--default-question-set", "nope")
    assert told.startswith("default_question_set: this question set is not published")
    with serve(tmp_path) as (_, greeting):
        assert "pfk_" in greeting


def open_files(soft: int, hard: int) -> str:
    """The code with which a process limits how many files it may open."""
    return f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard})); "


def test_a_process_may_open_a_file_for_each_connection(tmp_path: Path) -> None:
    with serve(tmp_path, patch=open_files(256, 4096)) as (process, _):
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    assert 2000 < soft <= hard == 4096


def test_connections_for_which_there_are_not_enough_files_are_said_before_anything_is_served(
    tmp_path: Path,
) -> None:
    limit = open_files(256, 1024)
    assert "1000 connections need" in refusal(tmp_path, "--port", "0", patch=limit)
    with serve(tmp_path, "--max-connections", "100", patch=limit) as (_, greeting):
        assert "runs at" in greeting


def test_ctrl_c_ends_it_even_if_the_database_does_not_answer(tmp_path: Path, postgres: NewDatabase) -> None:
    proxy = Proxy(postgres())
    with serve(tmp_path, "--admin-key", ADMIN_KEY, "--database-url", proxy.url) as (process, greeting):
        address = re.search(r"http://[\d.:]+", greeting)
        assert address
        with httpx.Client(base_url=address[0], headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE) as client:
            assert client.get("/v1/prospects").status_code == 200
            proxy.silent = True
            assert client.get("/v1/prospects").status_code == 503
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT
    proxy.close()


def is_running(pid: str) -> bool:
    """Whether a process is running. A zombie, for which nobody has waited, has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_the_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2") as (process, greeting):
        address = re.search(r"http://([\d.]+):(\d+)", greeting)
        assert address
        assert httpx.get(f"{address[0]}/readyz", timeout=PATIENCE).is_success
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        process.kill()
        process.wait(PATIENCE)
        until(lambda: not any(map(is_running, children)))
        socket.create_server((address[1], int(address[2]))).close()
