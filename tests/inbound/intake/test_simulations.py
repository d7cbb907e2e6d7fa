"""What CRMs really send: duplicates, wrong orders, empty values, numbers for choices, and echoes.

Each test is the story of one record. After every step it looks at the whole record: its name, its attributes,
the answers and the outcome of its session. What a CRM sends has the shape that its vendor documents; the
payloads of the ready-made mappings are in `samples`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.api.calls import answer, history, ok, ratings_of, session
from tests.inbound.intake.calls import make, places, prospect_of, receipt, replay

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture
def template(client, ruled, link) -> Callable[..., dict[str, Any]]:
    """A ready-made mapping, with a source that no other test uses, and with its aliases and some more."""

    def filled_in(name: str, *aliases: tuple[str, Any, Any]) -> dict[str, Any]:
        templates = ok(client.get(f"/v1/intake-templates?question_set={ruled}"))["items"]
        (found,) = [one for one in templates if one["name"] == name]
        source = f"{found['mapping']['source']}-{link['external_id']}"[:64]
        own = [dict(zip(("field", "sent", "means"), alias, strict=True)) for alias in aliases]
        sent = {"aliases": found["aliases"] + own}
        ok(client.put(f"/v1/value-aliases/{source}", json=sent))
        return found | {"mapping": found["mapping"] | {"source": source}}

    return filled_in


class Record:
    """A record of a CRM whose intake receives payloads, and what is known here about it."""

    def __init__(self, client, anybody, intake, external_id):
        self.client, self._anybody, self.intake = client, anybody, intake
        self.source, self.external_id = intake["mapping"]["source"], external_id
        self.session_id = None

    def send(self, payload, headers=()):
        """Post a payload, and return its receipt."""
        is_form = isinstance(payload, str)
        media_type = "application/x-www-form-urlencoded" if is_form else "application/json"
        body = payload.encode() if is_form else json.dumps(payload).encode()
        made = dict(headers(body) if callable(headers) else headers)
        sent = self._anybody.post(
            self.intake["address"], content=body, headers={"Content-Type": media_type, **made}
        )
        told = receipt(self.client, self.intake, ok(sent, 202)["receipt_id"])
        for item in told["items"]:
            if item["external_id"] == self.external_id and item["session_id"]:
                self.session_id = item["session_id"]
        return told

    def after(self, payload, headers=()):
        """Post a payload that has to be done, and return what is known afterwards."""
        told = self.send(payload, headers)
        assert told["status"] == "done", told
        return self.known()

    def known(self):
        """The name, the attributes, the answers without those that are open, and the outcome."""
        prospect = ok(prospect_of(self.client, self.source, self.external_id))
        found = session(self.client, self.session_id)
        ratings = {key: value for key, value in ratings_of(found).items() if value != "open"}
        outcome = found["outcome"] and found["outcome"]["outcome"]
        return prospect["name"], prospect["attributes"], ratings, outcome

    def revisions(self):
        return len(history(self.client, self.session_id)["revisions"])


@pytest.fixture
def record(client, anybody, ruled):
    def make_it(found, external_id, **sent):
        intake = make(client, mapping=found["mapping"], question_set=ruled, **sent)
        return Record(client, anybody, intake, external_id)

    return make_it


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))


# HubSpot --------------------------------------------------------------------------------------------------

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
# 2026-01-31T09:00:00Z, in milliseconds.
NINE = 1769850000000


def event(minute, name, value, record=77, kind="company.propertyChange", attempt=0):
    return {
        "eventId": 3181526809 + minute,
        "subscriptionId": 22025,
        "portalId": 33,
        "appId": 1160452,
        "occurredAt": NINE + 60_000 * minute,
        "subscriptionType": kind,
        "attemptNumber": attempt,
        "objectId": record,
        "changeSource": "CRM_UI",
        "sourceId": "userId:12345",
        **({"propertyName": name, "propertyValue": value} if name else {}),
    }


def signed_by_hubspot(intake):
    def headers(body):
        at = str(int(datetime.now(UTC).timestamp() * 1000))
        text = f"POST{intake['address']}".encode() + body + at.encode()
        digest = base64.b64encode(hmac.new(SECRET.encode(), text, hashlib.sha256).digest()).decode()
        return {"X-HubSpot-Signature-v3": digest, "X-HubSpot-Request-Timestamp": at}

    return headers


def test_hubspot_sends_events_twice_and_in_the_wrong_order(template, record, client):
    found = template("hubspot-events")
    hooli = record(found, "77", signature=found["signature"] | {"secret": SECRET})
    sign = signed_by_hubspot(hooli.intake)
    first = [event(0, "name", "Hooli"), event(0, "numberofemployees", "250"), event(1, "demand", "3")]
    assert hooli.after(first, sign) == ("Hooli", {"employees": 250}, {"demand": 3}, None)
    # The 5 of minute 9 comes before the 4 of minute 5, in one list and in two.
    assert hooli.after([event(9, "demand", "5"), event(5, "demand", "4")], sign)[2] == {"demand": 5}
    late = [event(1, "demand", "3", attempt=1), event(2, "demand", "2", attempt=3)]
    for one in late:
        assert hooli.after([one], sign)[2] == {"demand": 5}
    # What comes again changes nothing.
    revisions = hooli.revisions()
    for _ in range(3):
        hooli.after([event(9, "demand", "5", attempt=1), event(0, "name", "Hooli")], sign)
    assert hooli.revisions() == revisions
    # A person corrects it here. The echo of the old value, and the retries, leave that alone.
    answer(client, hooli.session_id, demand=2)
    assert hooli.after([event(9, "demand", "5", attempt=2), *late], sign)[2] == {"demand": 2}
    # A property that was emptied says null, and clears only what came from here.
    assert hooli.after([event(20, "numberofemployees", ""), event(20, "demand", "")], sign) == (
        "Hooli",
        {},
        {"demand": 2},
        None,
    )


def test_hubspot_sends_a_bad_event_among_good_ones(template, record, client):
    found = template("hubspot-events")
    hooli = record(found, "77")
    batch = [
        event(0, "name", "Hooli"),
        event(1, "demand", "very high"),
        event(1, "demand", "4", record=78),
        event(2, None, None, kind="company.deletion", record=79),
        event(2, None, None, kind="company.merge", record=80),
        event(3, "website", "hooli.example", record=81),
    ]
    told = hooli.send(batch)
    assert (told["status"], places(told)) == ("failed", ["/mapping/ratings/demand"])
    assert [item["status"] for item in told["items"]] == [
        *("done", "failed", "done"),
        *["skipped"] * 3,
    ]
    assert hooli.known() == ("Hooli", {}, {}, None)
    for nobody in ("79", "80", "81"):
        assert prospect_of(client, hooli.source, nobody).status_code == 404
    alias = {"aliases": [{"field": "demand", "sent": "very high", "means": 5}]}
    ok(client.put(f"/v1/value-aliases/{hooli.source}", json=alias))
    assert replay(client, hooli.intake) == 1
    assert receipt(client, hooli.intake, told["id"])["status"] == "done"
    assert hooli.known() == ("Hooli", {}, {"demand": 5}, None)


# Odoo -----------------------------------------------------------------------------------------------------


def lead(**fields):
    return {
        "_action": "Tell Prospect Fit(#412)",
        "_id": 7,
        "_model": "crm.lead",
        "id": 7,
        "partner_name": "Azure Interior",
        "won_status": "pending",
        "x_studio_audit": 0,
        "x_studio_demand": 0,
        "x_studio_employees": 0,
        "x_studio_industry": False,
        "x_studio_public": False,
        "x_studio_size": 0,
        **fields,
    }


def test_odoo_sends_false_0_and_the_ids_of_records(template, record, client):
    # The industry is a reference to another record.
    found = template("odoo-lead", ("industry", 12, "bank"))
    azure = record(found, "7")
    # false and 0 say nothing about a lead that nobody has rated. 0 employees is a number.
    assert azure.after(lead()) == ("Azure Interior", {"employees": 0}, {}, None)
    rated = lead(x_studio_demand=4, x_studio_audit="2", x_studio_industry=12, x_studio_employees=40)
    assert azure.after(rated) == (
        "Azure Interior",
        {"employees": 40, "industry": "bank"},
        {"demand": 4, "audit": 2},
        None,
    )
    # A person corrects one answer here. Odoo sends the whole lead with every change of another field.
    answer(client, azure.session_id, demand=1)
    assert azure.after(rated | {"x_studio_employees": 50})[1:3] == (
        {"employees": 50, "industry": "bank"},
        {"demand": 1, "audit": 2},
    )
    # Emptied in Odoo: only what came from Odoo goes away.
    assert azure.after(lead(x_studio_employees=50)) == (
        "Azure Interior",
        {"employees": 50},
        {"demand": 1},
        None,
    )
    # Entered anew, it is heard.
    assert azure.after(lead(x_studio_employees=50, x_studio_demand=3))[2] == {"demand": 3}
    assert azure.after(lead(x_studio_employees=50, x_studio_demand=3, won_status="won"))[3] == "won"


# Dataverse ------------------------------------------------------------------------------------------------


def context(message, *columns, labels=(), minute=0):
    """An execution context as a webhook gets it, with the columns that were written."""
    sent = deepcopy(sample("dataverse-account"))
    target = sent["InputParameters"][0]["value"]
    target["Attributes"] = [{"key": key, "value": value} for key, value in columns]
    target["FormattedValues"] = [{"key": key, "value": value} for key, value in labels]
    sent["MessageName"] = message
    sent["OperationCreatedOn"] = f"/Date({NINE + 60_000 * minute}-0700)/"
    return sent


def option(number):
    return {"__type": "OptionSetValue:http://schemas.microsoft.com/xrm/2011/Contracts", "Value": number}


def test_dataverse_sends_choices_money_and_nulls(template, record):
    found = template("dataverse-account", ("demand", 100000003, 4), ("demand", 100000001, 2))
    target = "/InputParameters/Target/Attributes"
    found["mapping"]["ratings"] = {"demand": f"{target}/new_demand/Value", "audit": f"{target}/new_audit"}
    found["mapping"]["attributes"]["annual_revenue"] = f"{target}/revenue/Value"
    found["mapping"]["attributes"]["owner"] = f"{target}/ownerid/Id"
    account = record(found, "6a9f4a1c-8f5e-ee11-8179-000d3a6b1c2d")
    money = {"__type": "Money:http://schemas.microsoft.com/xrm/2011/Contracts", "Value": 350000000}
    owner = {"__type": "EntityReference:…", "Id": "75c2dd85-e89e-e711-8122-000d3aa2331c", "Name": None}
    created = context(
        "Create",
        ("name", "Hooli"),
        ("numberofemployees", 250),
        ("industrycode", option(7)),
        ("revenue", money),
        ("ownerid", owner),
        ("new_demand", option(100000003)),
        ("new_audit", 2),
        labels=[("industrycode", "Business Services"), ("new_demand", "High")],
    )
    everything = {
        "employees": 250,
        "industry": "Business Services",
        "annual_revenue": 350000000,
        "owner": owner["Id"],
    }
    assert account.after(created) == ("Hooli", everything, {"demand": 4, "audit": 2}, None)
    # An update contains only what was written.
    update = context("Update", ("new_demand", option(100000001)), minute=5)
    assert account.after(update) == ("Hooli", everything, {"demand": 2, "audit": 2}, None)
    # One that was processed late, and one that is sent again.
    late = context("Update", ("new_demand", option(100000003)), minute=3)
    assert account.after(late)[2] == {"demand": 2, "audit": 2}
    assert account.after(update)[2] == {"demand": 2, "audit": 2}
    emptied = context("Update", ("revenue", None), ("ownerid", None), ("new_demand", None), minute=9)
    less = {"employees": 250, "industry": "Business Services"}
    assert account.after(emptied) == ("Hooli", less, {"audit": 2}, None)
    assert account.after(context("Delete", minute=10)) == ("Hooli", less, {"audit": 2}, None)


def test_dataverse_sends_an_opportunity_until_it_is_won(template, record, client):
    found = template("dataverse-opportunity")
    deal = record(found, "6a9f4a1c-8f5e-ee11-8179-000d3a6b1c2e")
    won = sample("dataverse-opportunity")
    still_open = deepcopy(won)
    image = still_open["PostEntityImages"][0]["value"]
    image["Attributes"][1]["value"] = option(0)
    assert deal.after(still_open)[2:] == ({"demand": 4}, None)
    first = deal.session_id
    assert deal.after(won)[2:] == ({"demand": 4}, "won")
    outcome = session(client, first)["outcome"]
    assert (outcome["amount"], outcome["currency"], outcome["closed_on"]) == (1200.5, "EUR", "2026-01-31")
    # It is sent again: neither another outcome nor another session.
    deal.after(won)
    assert deal.session_id == first
    assert session(client, first)["revision"] == deal.revisions()


# Pipedrive ------------------------------------------------------------------------------------------------

KEY = "dcf558aac1ae4e8c4f849ca5e668430d8df9be12"


def organization(action, demand, **meta):
    data = {"id": 130, "name": "Hooli", "custom_fields": {KEY: demand}}
    return {
        "data": None if action == "delete" else data,
        "previous": data if action == "delete" else {"custom_fields": {KEY: None}},
        "meta": {
            "action": action,
            "entity": "organization",
            "entity_id": "130",
            "timestamp": "2026-01-31T09:00:00.057Z",
            "version": "2.0",
            "change_source": "app",
            "attempt": 1,
            **meta,
        },
    }


def test_pipedrive_sends_ids_of_options_and_null_without_data(template, record, client):
    found = template("pipedrive-organization", ("demand", 42, 4), ("demand", 43, 5))
    found["mapping"] |= {"attributes": {}, "ratings": {"demand": f"/data/custom_fields/{KEY}/id"}}
    hooli = record(found, "130")
    assert hooli.after(organization("create", {"type": "enum", "id": 42})) == (
        "Hooli",
        {},
        {"demand": 4},
        None,
    )
    again = organization("create", {"type": "enum", "id": 42}, attempt=2)
    assert hooli.after(again)[2] == {"demand": 4}
    assert hooli.after(organization("change", {"type": "enum", "id": 43}))[2] == {"demand": 5}
    assert hooli.after(organization("change", None))[2] == {}
    told = hooli.send(organization("delete", None, merged_to_id="131"))
    assert [(item["status"], item["external_id"]) for item in told["items"]] == [("skipped", "130")]
    # An organization that is not known here is not created by its deletion.
    gone = organization("delete", None, entity_id="999")
    assert hooli.send(gone)["items"][0]["status"] == "skipped"
    assert prospect_of(client, hooli.source, "999").status_code == 404


def test_pipedrive_sends_a_deal_until_it_is_lost(template, record, client):
    found = template("pipedrive-deal", ("demand", 42, 4), ("outcome_reason", "Too expensive", "price"))
    found["mapping"] |= {"attributes": {}, "ratings": {"demand": f"/data/custom_fields/{KEY}/id"}}
    deal = record(found, "131")
    sent = sample("pipedrive-deal")
    sent["data"] |= {
        "status": "open",
        "close_time": None,
        "custom_fields": {KEY: {"type": "enum", "id": 42}},
    }
    assert deal.after(sent)[2:] == ({"demand": 4}, None)
    sent["data"] |= {
        "status": "lost",
        "close_time": "2026-01-31T09:00:00Z",
        "lost_reason": "Too expensive",
        "currency": "eur",
    }
    assert deal.after(sent)[2:] == ({"demand": 4}, "lost")
    outcome = session(client, deal.session_id)["outcome"]
    assert [outcome[name] for name in ("amount", "currency", "reason", "closed_on")] == [
        *(1200.5, "EUR", "price", "2026-01-31")
    ]


# Zoho -----------------------------------------------------------------------------------------------------


def test_zoho_sends_parameters_and_empty_texts(template, record):
    account = record(template("zoho-account"), "5725767000003000010")
    id_ = "id=5725767000003000010"
    full = f"{id_}&Account_Name=Hooli&Industry=bank&Employees=250&Public=true&Demand=4&Audit=2&Size="
    whole = ("Hooli", {"employees": 250, "industry": "bank", "public": True}, {"demand": 4, "audit": 2}, None)
    assert account.after(full) == whole
    empty = f"{id_}&Account_Name=&Industry=&Employees=&Public=&Demand=&Audit=&Size="
    assert account.after(empty) == whole


def test_zoho_sends_a_deal_through_its_stages(template, record):
    deal = record(template("zoho-deal"), "5725767000003000011")
    sent = sample("zoho-deal") | {"Stage": "Negotiation/Review"}
    assert deal.after(sent)[3] is None
    unknown = deal.send(sent | {"Stage": "On hold"})
    assert (unknown["status"], places(unknown)) == ("failed", ["/mapping/outcome"])
    assert deal.after(sent | {"Stage": "Closed-Lost to Competition"})[3] == "lost"


# Salesforce and Zapier, which call the flat form ----------------------------------------------------------


@pytest.fixture
def form(client, ruled):
    """Send a flat form, and return the response with what is known afterwards."""

    def send(sent, **headers):
        answered = client.post(f"/v1/qualify/{ruled}", json=sent, headers=headers)
        told = ok(answered)
        prospect = ok(client.get(f"/v1/prospects/{told['prospect_id']}"))
        found = session(client, told["session_id"])
        outcome = found["outcome"] and found["outcome"]["outcome"]
        return answered, (prospect["name"], prospect["attributes"], ratings_of(found), outcome)

    return send


def test_salesforce_sends_every_value_as_text_and_calls_again_with_its_guid(form, client, link):
    source = f"salesforce.account-{link['external_id']}"[:64]
    ok(client.put(f"/v1/sources/{source}", json={"id_rule": "salesforce"}))
    won = [("Closed Won", "won"), ("Prospecting", None)]
    aliases = [{"field": "outcome", "sent": sent, "means": means} for sent, means in won]
    ok(client.put(f"/v1/value-aliases/{source}", json={"aliases": aliases}))
    guid = "3e0fdb12-77d4-4e4c-9f16-1f2ad8a3b1c7"

    def account(step, **fields):
        # The id of 18 characters, and a key of the interview, the record and the step.
        id_ = "0015g00000XyZ1AAAV"
        return {"source": source, "external_id": id_, "idempotency_key": f"{guid}-{id_}-{step}", **fields}

    full = {"name": "Hooli", "employees": "250", "industry": "Technology", "public": "true", "demand": "4"}
    first = account("qualify", **full, audit="", outcome="Prospecting", outcome_amount="1200.50")
    answered, known = form(first)
    whole = ("Hooli", {"employees": 250, "industry": "Technology", "public": True}, {"demand": 4}, None)
    assert known == whole
    # The flow is run again after a time-out, with the same GUID.
    again, known = form(first)
    assert (again.headers["idempotent-replayed"], again.json(), known) == ("true", answered.json(), whole)
    # Another tool shows the id of 15 characters.
    short = account("other", demand="5") | {"external_id": "0015g00000XyZ1A"}
    other, known = form(short)
    assert other.json()["session_id"] == answered.json()["session_id"]
    assert known[2] == {"demand": 5}
    closing = {"outcome": "Closed Won", "outcome_amount": "1200.50", "outcome_currency": "EUR"}
    closed, known = form(account("close", **closing, outcome_closed_on="2026-01-31T09:00:00.000+0000"))
    assert known[3] == "won"
    assert closed.json()["session_id"] == answered.json()["session_id"]
    outcome = session(client, closed.json()["session_id"])["outcome"]
    assert (outcome["amount"], outcome["closed_on"]) == (1200.5, "2026-01-31")


def test_zapier_sends_an_empty_text_for_every_empty_field(form, link):
    full = {"name": "Hooli", "employees": "250", "industry": "bank", "demand": "4", "audit": "2"}
    _, whole = form({**link, **full})
    assert whole == ("Hooli", {"employees": 250, "industry": "bank"}, {"demand": 4, "audit": 2}, None)
    others = (
        "deal",
        "assessor",
        "opened_on",
        "answered_at",
        "decision",
        "outcome",
        "outcome_amount",
        "actor",
    )
    empty = dict.fromkeys(
        [*full, *others, "outcome_currency", "decision_revisit_on", "public", "unknown"], ""
    )
    answered, known = form({**link, **empty})
    assert known == whole
    assert answered.json()["session_opened"] is False
