"""Which deals a report is about, who may read it, and the report as CSV."""

import csv
from io import StringIO

import pytest

from tests.api.calls import conclude, ok, qualify, refusal
from tests.scoring.building import question, step, weighted

ONE_QUESTION = weighted(step("all", question("demand")))


@pytest.fixture(scope="module")
def key(office):
    return office.publish(ONE_QUESTION)


def test_figures_of_one_person_need_that_persons_key(office, key):
    def by(name, **more):
        sent = {"name": name, "scopes": ["read"], **more}
        return {"X-API-Key": ok(office.client.post("/v1/keys", json=sent), 201)["key"]}

    address = f"/v1/insights/calibration?question_set={key}&assessor=ana@example.com"
    ana, ben = by("ana", person="ana@example.com"), by("ben", person="ben@example.com")
    ok(office.client.get(address))
    ok(office.client.get(address, headers=ana))
    for headers in (ben, by("crm")):
        assert refusal(office.client.get(address, headers=headers)) == (403, "forbidden")
        ok(office.client.get(address.partition("&")[0], headers=headers))


def test_segments_compare_texts_numbers_and_booleans_as_rules_do(office):
    key = office.publish(ONE_QUESTION)
    kinds = {"industry": "  Logistics ", "employees": 120, "public": True}
    link = {"source": "win", "external_id": f"{key}-kinds"}
    told = qualify(office.client, link, question_set=key, attributes=kinds, ratings={"demand": 3})
    ok(conclude(office.client, told["session_id"], "won", closed_on="2025-06-30"))

    def count(**query):
        return office.report("questions", question_set=key, **query)["n"]

    assert [count(segment=one) for one in ("industry:LOGISTICS", "employees:120.0", "public:true")] == [
        1,
        1,
        1,
    ]
    assert [count(segment=one) for one in ("industry:retail", "employees:12", "public:1", "none:x")] == [
        0
    ] * 4
    assert count(segment=["industry:logistics", "employees:120"]) == 1
    assert count(segment=["industry:logistics", "employees:121"]) == 0
    assert [count(since="2025-06-30"), count(before="2025-06-30"), count(since="2025-07-01")] == [1, 0, 0]
    wrong = office.client.get("/v1/insights/questions", params={"question_set": key, "segment": "industry"})
    assert refusal(wrong) == (422, "invalid-request")
    unknown = office.client.get("/v1/insights/questions", params={"question_set": "no-such-set"})
    assert refusal(unknown) == (422, "invalid-request")


def test_reports_as_csv(office, key):
    told = office.client.get("/v1/insights/calibration.csv", params={"question_set": key})
    assert told.headers["content-type"] == "text/csv; charset=utf-8"
    assert told.headers["cache-control"] == "private, no-cache"
    rows = list(csv.DictReader(StringIO(told.content.decode("utf-8-sig"))))
    bands = ["0 to 20", "20 to 40", "40 to 60", "60 to 80", "80 to 100"]
    assert [row["band"] for row in rows] == ["knocked out", *bands, "all"]
    asked = office.client.get("/v1/insights/questions.csv", params={"question_set": key})
    (row,) = csv.DictReader(StringIO(asked.content.decode("utf-8-sig")))
    assert row["question"] == "demand"
