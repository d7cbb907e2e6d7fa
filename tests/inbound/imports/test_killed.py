"""A service that is killed while a file is arriving."""

import os
import signal
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.conftest import ADMIN_KEY
from tests.edge.process import process
from tests.edge.wire import head
from tests.inbound.imports.test_imports import spooled_files
from tests.waiting import PATIENCE, until

HALF_A_FILE = (
    head(
        "POST",
        "/v1/prospects/import?source=crm",
        X_API_Key=ADMIN_KEY,
        Content_Type="application/x-ndjson",
        Content_Length=10**9,
    )
    + b" " * 10**6
)


@contextmanager
def importing(served, folder):
    """An import whose file never arrives completely. Yields its temporary file."""
    before, address = spooled_files(folder), urlsplit(served.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as caller:
        caller.sendall(HALF_A_FILE)
        (file,) = until(lambda: spooled_files(folder) - before)
        yield file


def test_the_next_process_deletes_its_files_but_not_those_of_the_living(sqlite, tmp_path):
    patch, folders = f"import tempfile; tempfile.tempdir = {str(tmp_path)!r}", []
    for number in range(3):
        (folder := tmp_path / str(number)).mkdir()
        folders.append(folder)
    url = sqlite()
    with process(folders[0], url, patch=patch) as living, importing(living, tmp_path) as kept:
        with process(folders[1], url, patch=patch) as killed, importing(killed, tmp_path) as left:
            os.kill(killed.pid, signal.SIGKILL)
            until(killed.has_ended)
        assert spooled_files(tmp_path) == {kept, left}
        with process(folders[2], url, patch=patch):
            until(lambda: not left.parent.exists())
            assert spooled_files(tmp_path) == {kept}
        with process(folders[2], url, patch=patch) as stopped, importing(stopped, tmp_path) as deleted:
            pass
        assert not deleted.parent.exists()
        assert kept.exists()
    assert spooled_files(tmp_path) == set()
    assert [*tmp_path.glob("prospect-fit-processes-*/*")] == []
