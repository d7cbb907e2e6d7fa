"""Items of payloads: each is processed on its own, some are skipped, and some are about one property."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.calls import ok, pointers, ratings_of, refusal, session
from tests.inbound.intake.calls import make, places, prospect_of, receipt, replay, settled, taken_in

MAPPING = {"external_id": "/id", "name": "/name", "ratings": {"demand": "/d"}, "items_pointer": ""}


@pytest.fixture
def source(link):
    """A source that no other test uses."""
    return f"crm-{link['external_id']}"[:64]


def ratings(client, item):
    return ratings_of(session(client, item["session_id"]))


def shown(receipt_):
    """The status and the id of every item."""
    return [(item["status"], item["external_id"]) for item in receipt_["items"]]


def test_a_bad_record_fails_alone_and_a_replay_processes_nothing_else(client, anybody, source, ruled):
    intake = make(client, mapping={"source": source, **MAPPING}, question_set=ruled)
    batch = [{"id": 1, "d": 3}, {"id": 2, "d": "Hot"}, {"d": 3}, {"id": 3, "d": 5}]
    failed = taken_in(client, anybody, intake, batch)
    assert (failed["status"], failed["problem"]) == ("failed", None)
    assert shown(failed) == [("done", "1"), ("failed", "2"), ("failed", None), ("done", "3")]
    assert places(failed) == ["/mapping/ratings/demand", "/mapping/external_id"]
    # The person who reads the receipt did not send the request, and can define what "Hot" means.
    assert "or a value alias" in failed["items"][1]["problem"]["detail"]
    assert "replay the receipt" in failed["items"][1]["problem"]["remedy"]
    assert [ratings(client, failed["items"][place]) for place in (0, 3)] == [{"demand": 3}, {"demand": 5}]
    assert ok(client.get(f"/v1/intakes/{intake['id']}"))["failed"] == 1

    # Meanwhile the CRM sends a newer value of a record that was done.
    newer = taken_in(client, anybody, intake, [{"id": 1, "d": 4}])
    aliases = {"aliases": [{"field": "demand", "sent": "Hot", "means": 5}]}
    ok(client.put(f"/v1/value-aliases/{source}", json=aliases))
    assert replay(client, intake) == 1
    again = receipt(client, intake, failed["id"])
    assert shown(again) == [("done", "1"), ("done", "2"), ("failed", None), ("done", "3")]
    assert (again["status"], places(again)) == ("failed", ["/mapping/external_id"])
    assert ratings(client, again["items"][1]) == {"demand": 5}
    assert ratings(client, newer["items"][0]) == {"demand": 4}
    assert [again["items"][place] for place in (0, 3)] == [failed["items"][place] for place in (0, 3)]

    # The mapping that finds the id of the third record finds other ids for the others: they are not done.
    other = {"source": source, **MAPPING, "external_id": "/key"}
    ok(client.patch(f"/v1/intakes/{intake['id']}", json={"mapping": other}))
    assert replay(client, intake) == 1
    assert [status for status, _ in shown(receipt(client, intake, failed["id"]))] == ["failed"] * 4


def test_a_replay_does_not_replace_newer_answers(client, anybody, source, ruled):
    """A word without a meaning failed. Meanwhile, the CRM has sent another rating, and a person one more."""
    mapping = {"source": source, **MAPPING, "ratings": {"demand": "/d", "audit": "/a"}}
    intake = make(client, mapping=mapping, question_set=ruled)
    failed = taken_in(client, anybody, intake, [{"id": 1, "d": "Hot"}, {"id": 2, "d": "Hot", "a": 3}])
    newer = taken_in(client, anybody, intake, [{"id": 1, "d": 4}, {"id": 2, "a": 2}])
    aliases = {"aliases": [{"field": "demand", "sent": "Hot", "means": 5}]}
    ok(client.put(f"/v1/value-aliases/{source}", json=aliases))
    assert replay(client, intake) == 1
    again = receipt(client, intake, failed["id"])
    assert shown(again) == [("done", "1"), ("done", "2")]
    assert [ratings(client, item) for item in newer["items"]] == [{"demand": 4}, {"audit": 2, "demand": 5}]


def test_a_receipt_that_is_done_is_processed_again_as_a_whole(client, anybody, source, ruled):
    intake = make(client, mapping={"source": source, **MAPPING, "ratings": {}}, question_set=ruled)
    done = taken_in(client, anybody, intake, [{"id": 1, "d": 3}, {"id": 2, "d": 4}])
    assert [ratings(client, item) for item in done["items"]] == [{}, {}]
    ok(client.patch(f"/v1/intakes/{intake['id']}", json={"mapping": {"source": source, **MAPPING}}))
    assert replay(client, intake, ids=[done["id"]]) == 1
    again = receipt(client, intake, done["id"])
    assert [ratings(client, item) for item in again["items"]] == [{"demand": 3}, {"demand": 4}]


def test_a_payload_with_a_failed_item_is_erased_with_any_prospect_in_it(client, anybody, source, ruled):
    intake = make(client, mapping={"source": source, **MAPPING}, question_set=ruled)
    known = taken_in(client, anybody, intake, [{"id": 7, "d": 3}])["items"][0]["prospect_id"]
    with_it = [
        [{"id": 7, "d": 9}, {"id": 8, "d": 3}],
        [{"id": 8, "d": 3}, {"key": 7, "name": "without an id"}],
    ]
    without_it = taken_in(client, anybody, intake, [{"id": 8, "d": 3}, {"key": 9}])
    assert [taken_in(client, anybody, intake, batch)["status"] for batch in with_it] == ["failed"] * 2
    assert client.delete(f"/v1/prospects/{known}").status_code == 204
    assert [one["id"] for one in settled(client, intake)] == [without_it["id"]]


def test_an_item_is_skipped_if_a_condition_does_not_hold(client, anybody, source, ruled):
    when = {"/event": {"not_in": ["deleted", "merged"]}, "/kind/id": {"equals": 2}, "/size": {"at_least": 10}}
    mapping = {"source": source, **MAPPING, "when": when}
    intake = make(client, mapping=mapping, question_set=ruled)
    kept = {"id": 1, "event": "updated", "kind": {"id": 2}, "size": "10", "d": 4}
    others = [
        kept | {"id": 2, "event": "Deleted"},
        kept | {"id": 3, "kind": None},
        kept | {"id": 4, "kind": {"id": 3}},
        kept | {"id": 5, "size": 9.5},
        kept | {"id": 6, "size": "many"},
        {"id": 7, "kind": {"id": 2}, "size": 12},
        {"event": "deleted"},
    ]
    done = taken_in(client, anybody, intake, [kept, *others])
    assert done["status"] == "done"
    assert shown(done) == [("done", "1"), *(("skipped", str(n)) for n in range(2, 8)), ("skipped", None)]
    assert prospect_of(client, source, "2").status_code == 404
    stored = ok(client.get(f"/v1/intakes/{intake['id']}"))["mapping"]["when"].items()
    assert {path: {op: v for op, v in said.items() if v is not None} for path, said in stored} == when

    dry_run = {"mapping": mapping, "question_set": ruled, "payload": [kept, others[0]], "partial": True}
    first, second = ok(client.post("/v1/intake-dry-run", json=dry_run))["items"]
    assert (first["skipped"], first["mapped"]["answers"][0]["rating"]) == (False, 4)
    assert (second["skipped"], second["mapped"], second["answer"]) == (True, None, None)

    # Without the condition, the skipped items of a receipt that is done are processed too.
    ok(client.patch(f"/v1/intakes/{intake['id']}", json={"mapping": mapping | {"when": {}}}))
    replay(client, intake, ids=[done["id"]])
    again = receipt(client, intake, done["id"])
    assert [status for status, _ in shown(again)] == ["done"] * 7 + ["failed"]


def test_a_payload_whose_skipped_item_has_no_id_may_be_about_anybody(client, anybody, source):
    mapping = {"source": source, **MAPPING, "ratings": {}, "when": {"/event": {"exists": True}}}
    intake = make(client, mapping=mapping)
    first, second = (
        taken_in(client, anybody, intake, [{"id": n, "event": "x"}])["items"][0]["prospect_id"]
        for n in (1, 2)
    )
    skipped = [taken_in(client, anybody, intake, [item]) for item in ({"was": 1}, {"id": 1}, {"was": 2})]
    assert [one["status"] for one in skipped] == ["done"] * 3
    assert client.delete(f"/v1/prospects/{first}").status_code == 204
    left = [one["id"] for one in settled(client, intake)]
    assert [one["id"] in left for one in skipped] == [False, False, True]
    assert ok(client.get(f"/v1/prospects/{second}"))


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"when": {"/a": {}}}, "/mapping/when/~1a"),
        ({"when": {"/a": {"equals": None}}}, "/mapping/when/~1a"),
        ({"when": {"/a": {"like": "x"}}}, "/mapping/when/~1a/like"),
        ({"when": {"a": {"equals": 1}}}, "/mapping/when/a"),
        ({"property": "/p"}, "/mapping"),
        ({"value": "/v"}, "/mapping"),
    ],
)
def test_a_bad_condition_is_refused(client, part, pointer):
    mapping = {"source": "crm", "external_id": "/id", **part}
    refused = client.post("/v1/intakes", json={"name": "bad", "mapping": mapping})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), [pointer])


EVENTS = {
    "external_id": "/objectId",
    "at": "/occurredAt",
    "property": "/propertyName",
    "value": "/propertyValue",
    "items_pointer": "",
    "name": "/name",
    "attributes": {"industry": "/industry", "employees": "/numberofemployees"},
    "ratings": {"demand": "/demand"},
    "empty_values": [""],
}


def event(record, name, value, minutes_ago=0):
    at = datetime.now(UTC) - timedelta(hours=1, minutes=minutes_ago)
    return {
        "objectId": record,
        "propertyName": name,
        "propertyValue": value,
        "occurredAt": int(at.timestamp() * 1000),
    }


def test_the_property_of_an_event_decides_what_it_says(client, anybody, source, ruled):
    intake = make(client, mapping={"source": source, **EVENTS}, question_set=ruled)
    done = taken_in(
        client,
        anybody,
        intake,
        [
            event(7, "name", "Hooli"),
            event(7, "numberofemployees", "250"),
            event(8, "demand", "2"),
            # They arrive in the wrong order.
            event(7, "demand", "5", minutes_ago=1),
            event(7, "demand", "3", minutes_ago=2),
            event(9, "website", "hooli.example"),
        ],
    )
    assert done["status"] == "done", done
    assert shown(done) == [*(("done", one) for one in ("7", "7", "8", "7", "7")), ("skipped", "9")]
    assert prospect_of(client, source, "9").status_code == 404
    prospect = ok(prospect_of(client, source, "7"))
    assert (prospect["name"], prospect["attributes"]) == ("Hooli", {"employees": 250})
    assert ratings(client, done["items"][0])["demand"] == 5
    assert ratings(client, done["items"][2])["demand"] == 2


def test_an_event_without_the_name_of_its_property_fails(client, anybody, source, ruled):
    intake = make(client, mapping={"source": source, **EVENTS}, question_set=ruled)
    failed = taken_in(
        client, anybody, intake, [{"objectId": 7}, event(7, None, "x"), event(7, "demand", "4")]
    )
    assert shown(failed) == [("failed", "7"), ("failed", "7"), ("done", "7")]
    assert places(failed) == ["/mapping/property"] * 2
