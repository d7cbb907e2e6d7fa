"""Processes that are killed, and several at work at the same time: every payload has one effect."""

from contextlib import ExitStack

import httpx

from app.inbound.intake.mapping import MAX_PAYLOAD_ITEMS
from tests.api.calls import history, ok, ratings_of, session
from tests.catalogue import connected
from tests.conftest import ADMIN_KEY
from tests.edge.process import process
from tests.inbound.intake.calls import make, post, prospect_of, settled
from tests.waiting import PATIENCE, until

MAPPING = {"external_id": "/id", "ratings": {"budget": "/r"}}
KEY = {"headers": {"X-API-Key": ADMIN_KEY}, "timeout": PATIENCE}
MANY = 100
# It processes nothing until there is a file, and then is killed in the middle of the first list.
KILLED = f"""
import os, signal
from pathlib import Path
from app.inbound.intake import worker

process_waiting, process_item, items = worker.IntakeWorker._process_waiting, worker.process_item, []

async def when_told(self):
    if Path("go").exists():
        await process_waiting(self)

def killed(*rest, **more):
    items.append(rest)
    if len(items) > {MAX_PAYLOAD_ITEMS // 2}:
        os.kill(os.getpid(), signal.SIGKILL)
    return process_item(*rest, **more)

worker.IntakeWorker._process_waiting, worker.process_item = when_told, killed
"""


def test_what_was_acknowledged_before_a_kill_is_processed_after_the_restart_once(new_database, tmp_path):
    """A list of 100 is killed in the midst of its transaction, and what waits behind it before it began."""
    url = new_database()
    payloads = [[{"id": f"{number}-{n}", "r": 4} for n in range(MAX_PAYLOAD_ITEMS)] for number in range(2)]
    with (
        process(tmp_path, url, patch=KILLED) as first,
        httpx.Client(base_url=first.url, **KEY, verify=False) as client,
    ):
        mapping = {"source": "crm.killed", **MAPPING, "items_pointer": ""}
        intake = make(client, mapping=mapping, question_set="bant")
        ids = [post(client, intake, payload) for payload in payloads]
        (tmp_path / "go").touch()
        until(first.has_ended)
    with connected(url) as connection:
        waiting = "SELECT count(*) FROM intake_receipt WHERE status = 'received'"
        assert connection.exec_driver_sql(waiting).scalar() == 2
    with (
        process(tmp_path, url) as second,
        httpx.Client(base_url=second.url, **KEY, verify=False) as client,
    ):
        told = settled(client, intake)
        assert [(one["id"], one["status"]) for one in told] == [(one, "done") for one in ids[::-1]]
        items = [item for one in told for item in one["items"]]
        assert len({item["prospect_id"] for item in items}) == len(items) == 2 * MAX_PAYLOAD_ITEMS
        for item in items[:: MAX_PAYLOAD_ITEMS // 2]:
            opened = session(client, item["session_id"])
            assert (opened["revision"], ratings_of(opened)) == (1, {"budget": 4})


def test_two_processes_on_one_database_carry_out_each_receipt_once_and_in_order(new_database, tmp_path):
    """Each of the 100 payloads changes an attribute to a new value: so many revisions has its prospect."""
    url, prospects, intakes = new_database(), 5, 4
    with ExitStack() as stack:
        folders = [tmp_path / "one", tmp_path / "other"]
        for folder in folders:
            folder.mkdir()
        served = [stack.enter_context(process(folder, url)) for folder in folders]
        clients = [stack.enter_context(httpx.Client(base_url=one.url, **KEY, verify=False)) for one in served]
        made = [
            make(clients[0], mapping={"source": f"crm.{n}", **MAPPING, "attributes": {"seen": "/seen"}})
            for n in range(intakes)
        ]
        for number in range(MANY):
            intake = made[number % intakes]
            client = clients[number // intakes % 2]
            payload = {"id": number // intakes % prospects, "seen": number, "r": 1 + number // 20 % 2}
            ok(client.post(f"/v1/intake/{intake['token']}", json=payload), 202)
        each = MANY // intakes // prospects
        for place, intake in enumerate(made):
            told = settled(clients[1], intake)
            assert [one["status"] for one in told] == ["done"] * (MANY // intakes)
            for n in range(prospects):
                prospect = ok(prospect_of(clients[0], f"crm.{place}", str(n)))
                last = max(k for k in range(MANY) if k % intakes == place and k // intakes % prospects == n)
                assert (prospect["revision"], prospect["attributes"]) == (each, {"seen": last})
                (opened,) = {
                    one["items"][0]["session_id"] for one in told if one["items"][0]["external_id"] == str(n)
                }
                changes = [revision["change"] for revision in history(clients[0], opened)["revisions"]]
                assert changes == ["opened"] + ["answered"] * (each - 1)
