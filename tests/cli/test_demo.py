"""`demo`, beside a service that is used."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.calls import merge, ok, upsert
from tests.cli.conftest import Run
from tests.conftest import DATABASE, Running, serving, settings_for
from tests.edge.process import process
from tests.waiting import PATIENCE


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serving(settings_for(f"sqlite:///{tmp_path / DATABASE}")) as service:
        yield service


def invented(running: Running, number: str) -> dict:
    return ok(running.client.get(f"/v1/prospects/by-external-id/prospect-fit.demo/{number}"))


def test_the_demo_comes_and_goes(run: Run) -> None:
    assert run("demo").stdout.startswith("Loaded 104 demo prospects")
    assert run("demo").stdout.startswith("Loaded 104 demo prospects")
    assert run("demo", "--remove").stdout == "Removed 104 demo prospects.\n"
    assert run("demo", "--remove").stdout == "Removed 0 demo prospects.\n"


def test_prospects_of_your_own_are_neither_taken_away_nor_written_to(run: Run, running: Running) -> None:
    own = ok(upsert(running.client, {"source": "demo", "external_id": "001"}, name="Ours"), 201)
    run("demo")
    linked, other = invented(running, "004"), invented(running, "005")
    link = {"source": "crm", "external_id": "4"}
    ok(running.client.post(f"/v1/prospects/{linked['id']}/links", json=link))
    ok(merge(running.client, own["id"], other["id"]))
    known = {"prospect_id": linked["id"]}
    before = ok(running.client.get("/v1/sessions", params=known))["items"]
    assert run("demo", "--remove").stdout == (
        "Not removed because of links to other systems: 2 prospects.\nRemoved 102 demo prospects.\n"
    )
    assert "Loaded 102 demo prospects" in run("demo").stdout
    assert invented(running, "005")["name"] == "Ours"
    assert ok(running.client.get("/v1/sessions", params=known))["items"] == before


def test_no_byte_of_it_is_left_in_the_files_of_a_running_service(run: Run, tmp_path: Path) -> None:
    def stored() -> bytes:
        return b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())

    # Not in this process: whoever reads SQLite's files there takes away the service's locks on them.
    with process(tmp_path, f"sqlite:///{tmp_path / DATABASE}") as served:
        run("demo")
        assert httpx.get(f"{served.url}/readyz", timeout=PATIENCE).is_success
        assert b"Juniper Schools" in stored()
        run("demo", "--remove")
        assert b"Juniper Schools" not in stored()
