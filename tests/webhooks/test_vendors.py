"""Every ready-made record update writes into its CRM as the vendor documents it."""

import re
from copy import deepcopy

import pytest

from tests.api.calls import answer, ok, qualify
from tests.waiting import until
from tests.webhooks.conftest import deliveries
from tests.webhooks.vendors import KINDS, REFRESH, SECRET, TEMPLATES, TOKEN, filled, id_for, stand_in

# BANT's four questions weigh the same: x = r − 1 of 4 each.
BANT = {"question_set": "bant", "ratings": {"need": 5, "budget": 4, "authority": 2}}
SCORE = pytest.approx(100 * (4 + 3 + 1) / 12)


def of_figure(webhook, record, figure):
    """The value that a record has in the field of a figure."""
    (pointer,) = [
        place
        for place, field in webhook["record_update"]["fields"].items()
        if figure in (field, field.get("figure") if isinstance(field, dict) else None)
    ]
    return record[pointer.rpartition("/")[2]]


def test_each_template_has_a_stand_in():
    assert set(KINDS) == set(TEMPLATES)


@pytest.mark.parametrize("name", KINDS)
def test_a_record_follows_its_score(client, end, subscribe, name):
    record_id, by_deal = id_for(name), "{deal}" in TEMPLATES[name]["url"]
    crm = end.answer = stand_in(name, record_id)
    record = crm.records[KINDS[name], record_id]
    webhook = filled(name, end.url.removesuffix("/hook"))
    hook = subscribe(**deepcopy(webhook))
    link = {"source": webhook["record_update"]["source"], "external_id": record_id}
    if by_deal:
        link["external_id"] = id_for(name)
    told = qualify(client, link, **BANT, **({"deal": record_id} if by_deal else {}))
    until(lambda: set(record) - {"Name"} == set(crm.fields))
    as_told = str if name.startswith("hubspot") else float
    assert told["score"]["score"] == SCORE
    assert of_figure(webhook, record, "score") == as_told(told["score"]["score"])
    assert of_figure(webhook, record, "indication") == "undetermined"
    assert of_figure(webhook, record, "summary") == told["score"]["summary"]
    assert of_figure(webhook, record, "next_question") == told["score"]["next_questions"][0]["text"]
    first = of_figure(webhook, record, "update_id")
    assert re.fullmatch("[0-9a-f-]{36}", first)
    # Nothing is open any more: the field of the next question is emptied.
    last = answer(client, told["session_id"], timeline=5)
    until(lambda: not of_figure(webhook, record, "next_question"))
    assert of_figure(webhook, record, "score") == as_told(last["score"]["score"])
    second = of_figure(webhook, record, "update_id")
    assert second != first
    written = [one for one in end.received if "prospect-fit-update-id" in one.headers]
    assert {one.headers["prospect-fit-update-id"] for one in written} >= {first, second}
    shown = client.get(f"/v1/webhooks/{hook['id']}").text
    assert not any(secret in shown for secret in (TOKEN, SECRET, REFRESH))
    until(lambda: not deliveries(client, hook, status="pending"))
    assert {one["status"] for one in deliveries(client, hook)} <= {"delivered", "superseded"}


def test_a_row_that_was_deleted_in_dataverse_is_not_created_again(client, end, subscribe):
    crm = end.answer = stand_in("dataverse-account")
    hook = subscribe(**filled("dataverse-account", end.url.removesuffix("/hook")))
    qualify(client, {"source": "dynamics.account", "external_id": id_for("dataverse")}, **BANT)
    (log,) = until(lambda: [one for one in deliveries(client, hook) if one["last_status"]])
    assert (log["last_status"], crm.records) == (404, {})
    assert "Does Not Exist" in log["last_answer"]


def test_a_write_starts_no_workflow_in_zoho(client, end, subscribe):
    record_id = id_for("zoho")
    crm = end.answer = stand_in("zoho-account", record_id)
    hook = subscribe(**filled("zoho-account", end.url.removesuffix("/hook")))
    qualify(client, {"source": "zoho.account", "external_id": record_id}, **BANT)
    until(lambda: deliveries(client, hook, status="delivered"))
    assert crm.workflows_started == 0


def test_one_token_is_used_until_salesforce_takes_it_back(client, end, subscribe):
    record_id = id_for("salesforce")
    crm = end.answer = stand_in("salesforce-account", record_id)
    record = crm.records["Account", record_id]
    hook = subscribe(**filled("salesforce-account", end.url.removesuffix("/hook")))
    told = qualify(client, {"source": "salesforce.account", "external_id": record_id}, **BANT)
    until(lambda: record.get("Fit_Score__c") == told["score"]["score"])
    until(lambda: not deliveries(client, hook, status="pending"))
    assert len(crm.tokens.given) == 1
    crm.tokens.revoked |= set(crm.tokens.given)
    last = answer(client, told["session_id"], timeline=5)
    until(lambda: record["Fit_Score__c"] == last["score"]["score"])
    assert (record["Fit_Next_Question__c"], len(crm.tokens.given)) == (None, 2)
    until(lambda: not deliveries(client, hook, status="pending"))
    # The second token was requested within the same attempt.
    assert {one["attempts"] for one in deliveries(client, hook, status="delivered")} == {1}
    shown = ok(client.get(f"/v1/webhooks/{hook['id']}"))
    assert shown["record_update"]["client_id"] == "key"
