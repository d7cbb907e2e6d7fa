"""The page on intakes, run as it stands, in one go."""

import json
import os
import re
import subprocess

import pytest

from tests.api.calls import ok, ratings_of, session
from tests.conftest import ADMIN_KEY, ROOT, needs, serving, settings_for
from tests.docs.test_authoring import BLOCK, parsed
from tests.inbound.intake.calls import prospect_of, settled

DEFAULTS = {"encoding": "hex", "signed": "{body}"}


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
    templates, dry, aliases, deal, skipped, events, *told = told
    made, received, _, receipts, receipt, _, replayed, *told = told
    unlinked, merged, hubspot, dataverse, odoo, _, from_odoo, pipedrive, _, from_pipedrive, *told = told
    form, from_form = told

    assert dry["items"][0]["mapped"]["answers"] == [{"question": "budget", "state": "rated", "rating": 4}]
    assert dry["items"][0]["answer"]["question_set"] == "bant@1"
    assert len(templates["items"]) == 18
    assert len(aliases["aliases"]) == 5
    mapped = deal["items"][0]["mapped"]
    assert (mapped["deal"], mapped["outcome"], mapped["outcome_amount"], mapped["outcome_closed_on"]) == (
        "0065g00000AbCdEAAX",
        "won",
        1200.5,
        "2026-01-31",
    )
    assert [item["skipped"] for item in skipped["items"]] == [True]
    budget, employees = (item["mapped"] for item in events["items"])
    assert (budget["answers"][0]["rating"], budget["attributes"]) == (4, {})
    assert (employees["answers"], employees["attributes"]) == ([], {"employees": "250"})
    assert employees["answered_at"] == "2026-01-31T09:00:00Z"
    assert [one["id"] for one in receipts["items"]] == [received["receipt_id"]] == [receipt["id"]]
    assert "Need__c" in receipt["payload"]
    assert replayed["receipts"] == 1
    assert (unlinked["links"], len(merged["links"])) == ([], 2)
    erased = prospect_of(service.client, "hubspot.company", "502")
    assert erased.status_code == 404
    assert hubspot["signature"]["encoding"] == "base64"
    assert dataverse["mapping"]["external_id"] == "/PrimaryEntityId"

    (done_now,) = settled(service.client, made)
    first, second = done_now["items"]
    assert ratings_of(session(service.client, first["session_id"])) == {"budget": 4, "need": 5}
    assert ratings_of(session(service.client, second["session_id"])) == {"budget": 2, "need": 2}
    for intake, sent, source, external_id, attributes in (
        (odoo, from_odoo, "odoo.lead", "7", {"region": "Bavaria"}),
        (pipedrive, from_pipedrive, "pipedrive.organization", "131", {}),
        (form, from_form, "form", "ana@hooli.example", {}),
    ):
        (one,) = settled(service.client, intake)
        assert (one["id"], one["status"]) == (sent["receipt_id"], "done")
        assert ok(prospect_of(service.client, source, external_id))["attributes"] == attributes
        (item,) = one["items"]
        assert ratings_of(session(service.client, item["session_id"]))["budget"] == 4
    (item,) = settled(service.client, pipedrive)[0]["items"]
    assert session(service.client, item["session_id"])["outcome"]["outcome"] == "won"


def test_it_tells_every_ready_made_mapping_and_every_part_of_one(service):
    page = (ROOT / "docs" / "intake.md").read_text("utf-8")
    told = ok(service.client.get("/v1/intake-templates"))["items"]
    for template in told:
        assert f"`{template['name']}`" in page, template["name"]
        if signature := template["signature"]:
            said = {name: value for name, value in signature.items() if value not in ("", None)}
            shown = json.dumps({name: v for name, v in said.items() if DEFAULTS.get(name) != v})
            assert shown in page, template["name"]
    for part in (*told[0]["mapping"], *DEFAULTS, "timestamp_header", "prefix", "header", "secret"):
        assert re.search(rf"`{part}`", page), part
