"""The page on intakes, run as it stands, in one go."""

import os
import re
import subprocess

import pytest

from tests.api.calls import ok, ratings_of, session
from tests.conftest import ADMIN_KEY, ROOT, needs, serving, settings_for
from tests.docs.test_authoring import BLOCK, parsed
from tests.inbound.intake.calls import prospect_of, settled


@pytest.fixture(scope="module")
def service(new_database):
    """A service of its own: aliases of a source would be in other tests' way."""
    with serving(settings_for(new_database())) as running:
        yield running


def test_every_command_works_in_its_order(service, tmp_path):
    needs("curl")
    page = (ROOT / "docs" / "intake.md").read_text("utf-8")
    script = "\n".join(BLOCK.findall(page)).replace("http://127.0.0.1:8000", service.url)
    environment = os.environ | {"KEY": ADMIN_KEY}
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    told = parsed(done.stdout)
    dry, templates, made, received, _, receipts, receipt, mended, aliases, replayed, *others = told
    hubspot, dataverse, odoo, from_odoo, form, from_form = others

    assert dry["items"][0]["mapped"]["answers"] == [{"question": "budget", "state": "rated", "rating": 4}]
    assert dry["items"][0]["answer"]["question_set"] == "bant@1"
    assert len(templates["items"]) == 6
    assert [one["id"] for one in receipts["items"]] == [received["receipt_id"]] == [receipt["id"]]
    assert "Need__c" in receipt["payload"]
    assert (mended["revision"], len(aliases["aliases"]), replayed["receipts"]) == (2, 1, 1)
    assert hubspot["signed"] is True
    assert dataverse["mapping"]["external_id"] == "/PrimaryEntityId"

    (done_now,) = settled(service.client, made)
    (item,) = done_now["items"]
    assert ratings_of(session(service.client, item["session_id"])) == {"budget": 4, "need": 5}
    for intake, sent, source, external_id in (
        (odoo, from_odoo, "odoo.lead", "7"),
        (form, from_form, "form", "ana@hooli.example"),
    ):
        (one,) = settled(service.client, intake)
        assert (one["id"], one["status"]) == (sent["receipt_id"], "done")
        ok(prospect_of(service.client, source, external_id))


def test_it_tells_every_ready_made_mapping_and_every_part_of_one(service):
    page = (ROOT / "docs" / "intake.md").read_text("utf-8")
    for source in ("hubspot.company", "salesforce.account", "dynamics.account", "odoo.lead", "form"):
        assert f'"source": "{source}"' in page
    (told, *_) = ok(service.client.get("/v1/intake-templates"))["items"]
    for part in told["mapping"]:
        assert re.search(rf"`{part}`", page), part
