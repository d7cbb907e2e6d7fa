"""What the tests do with intakes, as sentences."""

import httpx

from tests.api.calls import ok
from tests.waiting import PATIENCE, until

# What HubSpot documents of its signature, version 3.
HUBSPOT = {
    "header": "X-HubSpot-Signature-v3",
    "encoding": "base64",
    "signed": "POST{url}{body}{timestamp}",
    "timestamp_header": "X-HubSpot-Request-Timestamp",
}


def by_hubspot(secret):
    """The signature of a HubSpot app with a client secret, as an intake requires it."""
    return HUBSPOT | {"secret": secret}


def calling():
    """A client of whatever is served, without a key."""
    return httpx.Client(timeout=PATIENCE, verify=False)


def make(client, **sent):
    """A new intake, with its token and its address."""
    return ok(client.post("/v1/intakes", json={"name": "of a test", **sent}), 201)


def post(anybody, intake, payload, **headers):
    """Post a payload as JSON, with no key."""
    return ok(anybody.post(intake["address"], json=payload, headers=headers), 202)["receipt_id"]


def settled(client, intake):
    """All receipts of an intake, newest first, once none waits to be processed."""
    until(lambda: ok(client.get(f"/v1/intakes/{intake['id']}"))["waiting"] == 0)
    return ok(client.get(f"/v1/intakes/{intake['id']}/receipts?limit=200"))["items"]


def receipt(client, intake, receipt_id):
    """A receipt with its payload, once it was processed."""
    settled(client, intake)
    return ok(client.get(f"/v1/intakes/{intake['id']}/receipts/{receipt_id}"))


def taken_in(client, anybody, intake, payload):
    """Post a payload, and what became of it."""
    return receipt(client, intake, post(anybody, intake, payload))


def places(told):
    """Where in the intake the problems of a receipt and its items are."""
    problems = [told["problem"], *(item["problem"] for item in told["items"])]
    return [error["pointer"] for problem in problems if problem for error in problem["errors"]]


def replay(client, intake, **sent):
    return ok(client.post(f"/v1/intakes/{intake['id']}/replay", json=sent))["receipts"]


def prospect_of(client, source, external_id):
    return client.get(f"/v1/prospects/by-external-id/{source}/{external_id}")
