"""A service that is told to stop while it imports."""

import json
import os
import signal
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import ADMIN_KEY
from tests.edge.process import process
from tests.inbound.imports.conftest import lines
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.one_database


def objects(answers):
    """The lines of JSON that arrive before the connection ends, which can be by a reset."""
    with suppress(OSError):
        yield from (line for line in answers if line.startswith(b"{"))


def test_it_ends_the_import_at_once_and_says_where_to_go_on(new_database, tmp_path):
    text = lines(*({"external_id": str(n), "name": f"N{n}"} for n in range(10_000))).encode()
    head = (
        f"POST /v1/prospects/import?source=crm HTTP/1.1\r\nHost: here\r\nX-API-Key: {ADMIN_KEY}\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: {len(text)}\r\n\r\n"
    ).encode()
    url = new_database()
    with process(tmp_path, url) as served:
        address = urlsplit(served.url)
        with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as caller:
            caller.sendall(head + text)
            answers = caller.makefile("rb")
            while b"committed_to" not in (line := answers.readline()):
                assert line
            os.kill(served.pid, signal.SIGTERM)
            told = list(objects(answers))
    end = json.loads(told[-1])
    assert (end["done"], end["problem"]["status"]) == (False, 503)
    assert 0 < end["committed_to"] < 10_000
    with process(tmp_path, url) as served:
        query = {"source": "crm", "after_line": end["committed_to"]}
        headers = {"X-API-Key": ADMIN_KEY, "Content-Type": "application/x-ndjson"}
        again = httpx.post(
            f"{served.url}/v1/prospects/import", params=query, content=text, headers=headers, timeout=PATIENCE
        )
    last = json.loads(again.text.splitlines()[-1])
    assert (last["done"], last["created"]) == (True, 10_000 - end["committed_to"])


def test_a_caller_who_sends_nothing_gets_a_problem_and_blocks_nobody(new_database, tmp_path):
    head = (
        f"POST /v1/score/batch?question_set=bant HTTP/1.1\r\nHost: here\r\nX-API-Key: {ADMIN_KEY}\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n"
    )
    with process(tmp_path, new_database()) as served:
        address = urlsplit(served.url)
        with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as caller:
            caller.sendall((head + '{"ratings": {"need": 4}}\n').encode())
            answers = caller.makefile("rb")
            while not (told := answers.readline()).startswith(b"{"):
                assert told
            os.kill(served.pid, signal.SIGTERM)
            # Whoever is still at work when the time that others get to finish is over is cut off without it.
            end = [json.loads(one) for one in objects(answers)][-1]
            assert end["problem"]["detail"] == "The service is stopping."
    assert [line for line in served.lines() if line["level"] in ("error", "ERROR")] == []


def test_a_file_that_does_not_arrive_is_not_waited_for(new_database, tmp_path):
    head = (
        f"POST /v1/prospects/import?source=crm HTTP/1.1\r\nHost: here\r\nX-API-Key: {ADMIN_KEY}\r\n"
        f"Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n"
    )
    with process(tmp_path, new_database()) as served:
        address = urlsplit(served.url)
        with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as caller:
            caller.sendall((head + '{"external_id": "a"}\n').encode())
            until(lambda: httpx.get(f"{served.url}/readyz", timeout=PATIENCE).is_success)
            os.kill(served.pid, signal.SIGTERM)
            assert caller.makefile("rb").readline().startswith(b"HTTP/1.1 503 ")
    assert [line for line in served.lines() if line["level"] in ("error", "ERROR")] == []
