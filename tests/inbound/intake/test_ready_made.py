"""The ready-made mappings, each on what its system is documented to send, from the socket to the score.

With 250 employees the size is rated 5 by rule, and the demand is rated 4: x = r − 1 is 4 and 3, of 4
each, so that the estimate is 100 · 7 / 8 = 87.5, and nothing is open, as only banks are asked about audits.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlmodel import text

from tests.api.calls import ok, session
from tests.api.test_erasure import everything_stored
from tests.inbound.intake.calls import make, prospect_of, receipt
from tests.waiting import until

SAMPLES = Path(__file__).parent / "samples"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Sent:
    """What a system sends, whom it is about, and what it says of the industry and of the end of a deal."""

    external_id: str
    industry: str = "services"
    deal: str | None = None
    currency: str | None = "EUR"
    amount: float | None = 1200.5
    won: bool = False
    named: bool = True
    file: str | None = None
    media_type: str = JSON


SENT = {
    "dataverse-account": Sent("6a9f4a1c-8f5e-ee11-8179-000d3a6b1c2d", "Business Services"),
    "dataverse-opportunity": Sent(
        "6a9f4a1c-8f5e-ee11-8179-000d3a6b1c2e",
        deal="2c7f3b1a-0d4e-ef11-a316-000d3a6b1c2d",
        won=True,
        named=False,
    ),
    "espocrm-account": Sent("6790a1b2c3d4e5f67"),
    "espocrm-opportunity": Sent("6790a1b2c3d4e5f68", won=True),
    "form": Sent("ana@hooli.example", file="form.txt", media_type=FORM),
    "hubspot-company": Sent("184896670", "COMPUTER_SOFTWARE"),
    "hubspot-contact": Sent("3234574", "Computer Software"),
    "hubspot-deal": Sent("8954037", deal="151088", won=True, named=False),
    "hubspot-events": Sent("184896671", "COMPUTER_SOFTWARE"),
    "odoo-lead": Sent("7"),
    "pipedrive-deal": Sent("131", deal="178", won=True, named=False),
    "pipedrive-organization": Sent("130"),
    "salesforce-account": Sent("0015g00000XyZ1AAB", "Technology"),
    "salesforce-opportunity": Sent("0015g00000XyZ2AAB", deal="0065g00000AbCdEAAX", won=True, named=False),
    "twenty-company": Sent("20202020-3ec3-4fe3-8997-b76aa0bfa408"),
    "twenty-opportunity": Sent(
        "20202020-3ec3-4fe3-8997-b76aa0bfa409",
        deal="20202020-be10-412b-a663-16bd3c2228e1",
        won=True,
        amount=None,
        named=False,
    ),
    "zoho-account": Sent("5725767000003000010", file="zoho-account.txt", media_type=FORM),
    "zoho-deal": Sent("5725767000003000011", deal="5725767000003000020", won=True, named=False),
}
# What a user has to fill in: the keys of Pipedrive's custom fields, and what the CRM's own options mean.
PIPEDRIVE_KEYS = {
    name: f"{number}cf558aac1ae4e8c4f849ca5e668430d8df9be12"
    for number, name in enumerate(("demand", "audit", "size", "industry", "employees", "public"))
}
OPTIONS = ("demand", "public")
ALIASES = {
    "hubspot.contact": [("employees", "100-500", 250)],
    "pipedrive.organization": [("demand", 42, 4), ("public", 17, True)],
    "twenty.company": [("demand", "RATING_4", 4)],
}


@pytest.fixture
def templates(client, ruled):
    told = ok(client.get(f"/v1/intake-templates?question_set={ruled}"))["items"]
    return {template["name"]: template for template in told}


def filled_in(client, name, template):
    """The mapping of a template, after a user has filled in what is their own."""
    mapping = template["mapping"]
    own = ALIASES.get(mapping["source"], [])
    aliases = template["aliases"] + [
        dict(zip(("field", "sent", "means"), alias, strict=True)) for alias in own
    ]
    ok(client.put(f"/v1/value-aliases/{mapping['source']}", json={"aliases": aliases}))
    if not name.startswith("pipedrive"):
        return mapping
    for part in ("attributes", "ratings"):
        mapping[part] = {
            key: f"/data/custom_fields/{PIPEDRIVE_KEYS[key]}/{'id' if key in OPTIONS else 'value'}"
            for key in mapping[part]
        }
    return mapping


def test_there_is_one_for_each_system_and_a_sample_for_each(templates):
    assert set(templates) == set(SENT)
    assert {sent.file or f"{name}.json" for name, sent in SENT.items()} == {
        path.name for path in SAMPLES.iterdir()
    }


@pytest.mark.parametrize("name", SENT)
def test_what_the_system_sends_is_scored(client, anybody, templates, ruled, name):
    sent, template = SENT[name], templates[name]
    body = (SAMPLES / (sent.file or f"{name}.json")).read_bytes()
    mapping = filled_in(client, name, template)
    source = mapping["source"]
    intake = make(client, mapping=mapping, question_set=ruled)
    answer = anybody.post(intake["address"], content=body, headers={"Content-Type": sent.media_type})
    told = receipt(client, intake, ok(answer, 202)["receipt_id"])
    assert (told["status"], told["problem"]) == ("done", None), told
    assert told["payload"] == body.decode()
    item = told["items"][0]
    assert (item["source"], item["external_id"]) == (source, sent.external_id)

    prospect = ok(prospect_of(client, source, sent.external_id))
    assert prospect["id"] == item["prospect_id"]
    assert prospect["name"] == ("Hooli" if sent.named else None)
    assert prospect["attributes"] == {"employees": 250, "industry": sent.industry, "public": True}
    scored = session(client, item["session_id"])
    assert (scored["question_set"], scored["deal"]) == (f"{ruled}@1", sent.deal)
    assert [(a["question"], a["state"], a["rating"]) for a in scored["answers"]] == [("demand", "rated", 4)]
    score = scored["score"]
    assert (score["score"], score["lowest"], score["highest"], score["coverage"]) == (87.5, 87.5, 87.5, 1.0)
    assert (score["points"], score["points_max"], score["indication"]) == (9, 10, "fit")
    outcome = scored["outcome"] and {
        name: scored["outcome"][name] for name in ("outcome", "amount", "currency", "closed_on")
    }
    assert outcome == (
        {"outcome": "won", "amount": sent.amount, "currency": sent.currency, "closed_on": "2026-01-31"}
        if sent.won
        else None
    )


def webhooks_behind(database):
    """The number of webhooks that events with a position still wait for."""
    query = "SELECT COUNT(*) FROM webhook, event_last_position AS last WHERE webhook.position < last.position"
    with database.engine.connect() as connection:
        return connection.execute(text(f"{query} AND webhook.status = 'active'")).scalar_one()


@pytest.mark.parametrize("name", ["dataverse-account", "hubspot-contact", "odoo-lead", "pipedrive-deal"])
def test_a_dry_run_tells_the_same_and_writes_nothing(client, templates, ruled, name, database):
    mapping = filled_in(client, name, templates[name])
    sample = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    sent = {"mapping": mapping, "question_set": ruled, "payload": sample, "partial": True}
    # Else the events that there are could be given their positions meanwhile, and webhooks move past them.
    ok(client.get("/v1/events/latest?limit=1"))
    until(lambda: webhooks_behind(database) == 0)
    before = everything_stored(database)
    (told,) = ok(client.post("/v1/intake-dry-run", json=sent))["items"]
    assert everything_stored(database) == before
    assert told["mapped"]["external_id"] == SENT[name].external_id
    industry = SENT[name].industry
    assert told["mapped"]["attributes"] == {"employees": 250, "industry": industry, "public": True}
    assert told["mapped"]["answers"] == [{"question": "demand", "state": "rated", "rating": 4}]
    assert told["answer"]["score"]["score"] == 87.5


def test_they_have_a_place_for_every_question_and_attribute_of_the_set(client, templates):
    assert templates["salesforce-account"]["mapping"]["ratings"] == {
        "size": "/Size__c", "audit": "/Audit__c", "demand": "/Demand__c"
    }  # fmt: skip
    told = ok(client.get("/v1/intake-templates?question_set=qualifying-a-sale"))["items"]
    of_salesforce = next(template for template in told if template["name"] == "salesforce-account")
    assert of_salesforce["question_set"] == "qualifying-a-sale@1"
    assert of_salesforce["mapping"]["ratings"]["current_challenges"] == "/Current_Challenges__c"
    assert len(of_salesforce["mapping"]["ratings"]) == 28
    refused = client.get("/v1/intake-templates?question_set=nobodys")
    assert refused.status_code == 422
