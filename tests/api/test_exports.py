"""GET /v1/sessions/export and /v1/prospects/export: the same rows in every format."""

import csv
import json
from io import StringIO
from uuid import UUID
from zipfile import ZipFile

import duckdb
import pytest

from app.prospects.exports import export_prospects
from app.prospects.schemas import ProspectFilter
from app.question_sets.plans import Plans
from app.sessions.exports import export_sessions
from app.sessions.schemas import SessionFilter
from tests.api.calls import SMALL, change, conclude, new_prospect, ok, pointers, qualify, refusal
from tests.api.conftest import published
from tests.api.test_session_list import FIT

DECISION = {
    "decision": "pursue",
    "reason": "=they need it",
    "revisit_on": "2027-03-01",
    "actor": "ana@example.com",
}
OUTCOME = {
    "outcome": "won",
    "amount": 1250.5,
    "currency": "EUR",
    "reason": "price",
    "competitor": "Other Ltd",
    "closed_on": "2027-02-01",
}


def exported(client, what="sessions", **query):
    response = client.get(f"/v1/{what}/export", params=query)
    assert response.status_code == 200, response.text
    return response


def rows(client, what="sessions", **query):
    return [json.loads(line) for line in exported(client, what, format="ndjson", **query).text.splitlines()]


@pytest.fixture
def won(client, link, small):
    """match: 4 of 4 rated, the timeline open; benefit: 3 of 4, the goal open. So the coverage is ½."""
    answers = [
        {
            "question": "budget",
            "rating": 5,
            "actor": "ben@example.com",
            "answered_at": "2026-01-02T10:00:00Z",
        },
        {"question": "need", "rating": 4, "actor": "eva@example.com", "answered_at": "2026-01-03T10:00:00Z"},
    ]
    told = qualify(
        client, link, name="Müller", question_set=small, deal="north", answers=answers, decision=DECISION
    )
    return ok(conclude(client, told["session_id"], **OUTCOME))


def test_a_row_has_the_figures_the_sides_the_decision_and_the_outcome(client, link, small, won):
    (row,) = rows(client, question_set=small)
    times = {name: row.pop(name) for name in ("opened_at", "updated_at", "closed_at", "decided_at")}
    assert times == {
        **{name: won[name] for name in ("opened_at", "updated_at", "closed_at")},
        "decided_at": won["decision"]["decided_at"],
    }
    assert row == {
        "prospect_id": won["prospect_id"],
        "name": "Müller",
        "links": f"{link['source']}:{link['external_id']}",
        "session_id": won["session_id"],
        "question_set": f"{small}@1",
        "deal": "north",
        "assessor": None,
        "status": "closed",
        "indication": "undetermined",
        "settled": False,
        "leaning": "fit",
        "grade": None,
        "score": pytest.approx((100 * 75) ** 0.5),
        "lowest": pytest.approx((50 * 37.5) ** 0.5),
        "highest": pytest.approx((100 * 87.5) ** 0.5),
        "coverage": 0.5,
        "match_estimate": 100.0,
        "benefit_estimate": 75.0,
        "blockers": None,
        "summary": won["score"]["summary"],
        "former_indication": None,
        "indication_changed_at": None,
        "answered_at": "2026-01-03T10:00:00Z",
        "answered_by": "eva@example.com",
        "valid_until": None,
        "decision": "pursue",
        "decision_reason": "=they need it",
        "revisit_on": "2027-03-01",
        "decided_by": "ana@example.com",
        "outcome": "won",
        "outcome_amount": 1250.5,
        "outcome_currency": "EUR",
        "outcome_reason": "price",
        "outcome_competitor": "Other Ltd",
        "outcome_closed_on": "2027-02-01",
        # A session with an outcome has none.
        "win_probability": None,
        "win_probability_low": None,
        "win_probability_high": None,
        "win_probability_n": None,
    }


def test_csv_is_what_a_spreadsheet_opens(client, small, won):
    response = exported(client, question_set=small)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="sessions.csv"'
    assert response.content.startswith(b"\xef\xbb\xbfprospect_id,name,links,session_id,")
    (row,) = csv.DictReader(StringIO(response.content.decode("utf-8-sig")))
    assert (row["name"], row["decision_reason"]) == ("Müller", "'=they need it")
    assert (row["settled"], row["outcome_amount"]) == ("false", "1250.5")
    assert row["session_id"] == won["session_id"]


def test_parquet_has_typed_columns(client, small, won, tmp_path):
    file = tmp_path / "sessions.parquet"
    file.write_bytes(exported(client, question_set=small, format="parquet").content)
    found = duckdb.sql(f"SELECT session_id, score, settled, revisit_on::VARCHAR FROM '{file}'").fetchall()
    assert found == [(won["session_id"], won["score"]["score"], False, "2027-03-01")]
    types = {name: type_ for name, type_, *_ in duckdb.sql(f"DESCRIBE FROM '{file}'").fetchall()}
    assert [types[name] for name in ("score", "settled", "revisit_on", "opened_at")] == [
        *("DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP WITH TIME ZONE")
    ]


@pytest.mark.usefixtures("won")
def test_a_workbook_has_the_texts_and_numbers(client, small, tmp_path):
    file = tmp_path / "sessions.xlsx"
    file.write_bytes(exported(client, question_set=small, format="xlsx").content)
    with ZipFile(file) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<v>1250.5</v>" in sheet
    assert ">=they need it</t>" in sheet
    assert sheet.count("<row ") == 2


def test_sessions_on_several_sets_have_their_estimates_in_one_column(client, link, small, won):
    qualify(client, link, question_set="bant", ratings={"budget": 3})
    row, other = rows(client, prospect_id=won["prospect_id"], sort="ranked")[::-1]
    if row["session_id"] != won["session_id"]:
        row, other = other, row
    assert json.loads(row["estimates"]) == {"match": 100.0, "benefit": 75.0}
    assert json.loads(other["estimates"])["budget"] == 50.0
    assert (row["question_set"], "match_estimate" in row) == (f"{small}@1", False)


def test_the_filters_and_the_order_are_those_of_the_list(client, link, small, publish):
    names = ["beta", "alpha", "gamma"]
    made = [
        qualify(
            client,
            link | {"external_id": f"{link['external_id']}-{number}"},
            name=name,
            question_set=small,
            ratings=FIT if number else {},
        )
        for number, name in enumerate(names)
    ]
    by_name = rows(client, question_set=small, sort="name")
    assert [row["name"] for row in by_name] == ["alpha", "beta", "gamma"]
    assert [row["session_id"] for row in rows(client, question_set=small, leaning="fit")] == [
        made[2]["session_id"],
        made[1]["session_id"],
    ]
    person = published(publish, SMALL | {"subject": "person"})
    told = qualify(client, link, question_set=person)
    assert rows(client, prospect_id=told["prospect_id"]) == []
    assert len(rows(client, prospect_id=told["prospect_id"], subject="person")) == 1


def test_without_a_session_there_are_only_headings(client, small):
    assert rows(client, question_set=small) == []
    assert exported(client, question_set=small).text.count("\r\n") == 1


def test_several_reads_lose_nothing(client, link, small, monkeypatch):
    monkeypatch.setattr("app.prospects.exports.ROWS_PER_READ", 2)
    made = [
        qualify(client, link | {"external_id": f"{link['external_id']}-{n}"}, question_set=small)
        for n in range(5)
    ]
    assert [row["session_id"] for row in rows(client, question_set=small)] == [
        told["session_id"] for told in made[::-1]
    ]


def test_a_row_is_as_it_is_when_it_is_read_and_an_erased_record_has_none(
    client, link, other_link, small, database
):
    qualify(client, other_link, name="gone", question_set=small)
    kept = qualify(client, link, name="before", question_set=small)
    plans = Plans(database, "bant")
    sessions = database.read_sync(lambda tx: export_sessions(tx, plans, SessionFilter(), (small, None)))
    prospects = database.read_sync(lambda tx: export_prospects(tx, ProspectFilter()))
    gone = ok(client.get(f"/v1/prospects/by-external-id/{other_link['source']}/{other_link['external_id']}"))
    assert client.delete(f"/v1/prospects/{gone['id']}").status_code == 204
    ok(change(client, kept["prospect_id"], name="after", attributes={"later": 1}))
    (row,) = [row for read in sessions.reads() for row in database.read_sync(read)]
    assert row[:2] == [kept["prospect_id"], "after"]
    found = [row for read in prospects.reads() for row in database.read_sync(read)]
    assert [row[1] for row in found if UUID(row[0]) == UUID(kept["prospect_id"])] == ["after"]
    assert gone["id"] not in [row[0] for row in found]


def test_every_attribute_of_a_prospect_has_a_column_with_its_type(client, link):
    mark = link["external_id"].replace("-", "_").lower()
    first = {f"n_{mark}": 120, f"t_{mark}": "a", f"b_{mark}": True, f"mixed_{mark}": 1, "name": "x"}
    new_prospect(client, name=f"{mark} one", attributes=first, links=[link])
    new_prospect(client, name=f"{mark} two", attributes={f"mixed_{mark}": "text"})
    two, one = rows(client, "prospects", q=mark)
    assert one["links"] == f"{link['source']}:{link['external_id']}"
    assert [one[f"{prefix}_{mark}"] for prefix in ("n", "t", "b", "mixed")] == [120, "a", True, "1"]
    assert [two[f"{prefix}_{mark}"] for prefix in ("n", "t", "b", "mixed")] == [None, None, None, "text"]
    assert (one["name"], one["attribute_name"], one["subject"]) == (f"{mark} one", "x", "prospect")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "text/csv; charset=utf-8"),
        ("text/html, application/vnd.apache.parquet;q=0.9", "application/vnd.apache.parquet"),
        ("application/jsonl", "application/x-ndjson"),
    ],
)
def test_accept_chooses_the_format(client, small, accept, media_type):
    query = {"question_set": small}
    response = client.get("/v1/sessions/export", params=query, headers={"Accept": accept})
    assert response.headers["content-type"] == media_type


@pytest.mark.one_database
@pytest.mark.parametrize("what", ["sessions", "prospects"])
def test_what_cannot_be_exported_is_refused(client, what):
    refused = client.get(f"/v1/{what}/export", params={"format": "pdf"})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/format"])
    refused = client.get(f"/v1/{what}/export", params={"after": "x"})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/after"])
    refused = client.patch(f"/v1/{what}/export", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    refused = client.get("/v1/sessions/export", params={"question_set": "nobodys-set"})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/question_set"])
