"""The ready-made mappings, each on what its system is documented to send, from the socket to the score.

With 250 employees the size is rated 5 by rule, and the demand is rated 4: x = r − 1 is 4 and 3, of 4
each, so that the estimate is 100 · 7 / 8 = 87.5, and nothing is open, as only banks are asked about audits.
"""

import json
from pathlib import Path

import pytest
from sqlmodel import text

from tests.api.calls import ok, session
from tests.api.test_erasure import everything_stored
from tests.inbound.forms.test_aliases import teach
from tests.inbound.intake.calls import make, prospect_of, receipt
from tests.waiting import until

SAMPLES = Path(__file__).parent / "samples"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# What each sends, as what, whom it is about, and the industry that it tells.
SENT = {
    "hubspot-contact": ("hubspot-contact.json", JSON, ("hubspot.contact", "3234574"), "Computer Software"),
    "hubspot-company": ("hubspot-company.json", JSON, ("hubspot.company", "184896670"), "COMPUTER_SOFTWARE"),
    "salesforce-flat": (
        "salesforce-flat.json",
        JSON,
        ("salesforce.account", "0015g00000XyZ1AAB"),
        "Technology",
    ),
    "dataverse": (
        "dataverse.json",
        JSON,
        ("dynamics.account", "6a9f4a1c-8f5e-ee11-8179-000d3a6b1c2d"),
        "Business Services",
    ),
    "odoo": ("odoo.json", JSON, ("odoo.lead", "7"), "services"),
    "form": ("form.txt", FORM, ("form", "ana@hooli.example"), "services"),
}


@pytest.fixture
def templates(client, ruled):
    told = ok(client.get(f"/v1/intake-templates?question_set={ruled}"))["items"]
    return {template["name"]: template["mapping"] for template in told}


def test_there_is_one_for_each_system_and_a_sample_for_each(templates):
    assert set(templates) == set(SENT)
    assert {file for file, *_ in SENT.values()} == {path.name for path in SAMPLES.iterdir()}


@pytest.mark.parametrize("name", SENT)
def test_what_the_system_sends_is_scored(client, anybody, templates, ruled, name):
    file, media_type, (source, external_id), industry = SENT[name]
    # A contact's number of employees is a range in HubSpot.
    ok(teach(client, "hubspot.contact", ("employees", "100-500", 250)))
    intake = make(client, mapping=templates[name], question_set=ruled)
    headers = {"Content-Type": media_type}
    answer = anybody.post(intake["address"], content=(SAMPLES / file).read_bytes(), headers=headers)
    told = receipt(client, intake, ok(answer, 202)["receipt_id"])
    assert (told["status"], told["problem"]) == ("done", None)
    assert told["payload"] == (SAMPLES / file).read_text("utf-8")
    (item,) = told["items"]
    assert (item["source"], item["external_id"]) == (source, external_id)

    prospect = ok(prospect_of(client, source, external_id))
    assert prospect["id"] == item["prospect_id"]
    assert prospect["name"] == "Hooli"
    assert prospect["attributes"] == {"employees": 250, "industry": industry, "public": True}
    scored = session(client, item["session_id"])
    assert scored["question_set"] == f"{ruled}@1"
    assert [(a["question"], a["state"], a["rating"]) for a in scored["answers"]] == [("demand", "rated", 4)]
    score = scored["score"]
    assert (score["score"], score["lowest"], score["highest"], score["coverage"]) == (87.5, 87.5, 87.5, 1.0)
    assert (score["points"], score["points_max"], score["indication"]) == (9, 10, "fit")


def webhooks_behind(database):
    """The number of webhooks that events with a position still wait for."""
    query = "SELECT COUNT(*) FROM webhook, event_last_position AS last WHERE webhook.position < last.position"
    with database.engine.connect() as connection:
        return connection.execute(text(f"{query} AND webhook.status = 'active'")).scalar_one()


@pytest.mark.parametrize("name", [name for name in SENT if name != "form"])
def test_a_dry_run_tells_the_same_and_writes_nothing(client, templates, ruled, name, database):
    file, _, (_, external_id), industry = SENT[name]
    ok(teach(client, "hubspot.contact", ("employees", "100-500", 250)))
    sample = json.loads((SAMPLES / file).read_text("utf-8"))
    sent = {"mapping": templates[name], "question_set": ruled, "payload": sample, "partial": True}
    # Else the events that there are could be given their positions meanwhile, and webhooks move past them.
    ok(client.get("/v1/events/latest?limit=1"))
    until(lambda: webhooks_behind(database) == 0)
    before = everything_stored(database)
    (told,) = ok(client.post("/v1/intake-dry-run", json=sent))["items"]
    assert everything_stored(database) == before
    assert told["mapped"]["external_id"] == external_id
    assert told["mapped"]["attributes"] == {"employees": 250, "industry": industry, "public": True}
    assert told["mapped"]["answers"] == [{"question": "demand", "state": "rated", "rating": 4}]
    assert told["answer"]["score"]["score"] == 87.5


def test_they_have_a_place_for_every_question_and_attribute_of_the_set(client, templates):
    assert templates["salesforce-flat"]["ratings"] == {
        "size": "/Size__c", "audit": "/Audit__c", "demand": "/Demand__c"
    }  # fmt: skip
    told = ok(client.get("/v1/intake-templates?question_set=qualifying-a-sale"))["items"]
    of_salesforce = next(template for template in told if template["name"] == "salesforce-flat")
    assert of_salesforce["question_set"] == "qualifying-a-sale@1"
    assert of_salesforce["mapping"]["ratings"]["current_challenges"] == "/Current_Challenges__c"
    assert len(of_salesforce["mapping"]["ratings"]) == 28
    refused = client.get("/v1/intake-templates?question_set=nobodys")
    assert refused.status_code == 422
