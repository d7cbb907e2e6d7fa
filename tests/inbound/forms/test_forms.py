"""POST /v1/qualify/{key}: one flat object in, one flat object out."""

import pytest

from tests.api.calls import (
    answer,
    conclude,
    history,
    new_prospect,
    ok,
    pointers,
    qualify,
    ratings_of,
    refusal,
    session,
)


def send(client, key, **sent):
    return client.post(f"/v1/qualify/{key}", json=sent)


def filled(client, key, **sent):
    return ok(send(client, key, **sent))


def prospect(client, told):
    return ok(client.get(f"/v1/prospects/{told['prospect_id']}"))


def test_one_flat_object_does_it_all_and_the_answer_is_flat(client, link, small):
    told = filled(
        client, small, **link, name="Acme", deal="d1", budget=5, timeline=4, need=4, goal=5,
        decision="pursue", decision_reason="Both sides are strong.", actor="ana",
    )  # fmt: skip
    # Each side: two questions of weight 1, x = r − 1 of 4: match (4 + 3) / 8, benefit (3 + 4) / 8.
    assert told == {
        "prospect_id": told["prospect_id"],
        "session_id": told["session_id"],
        "question_set": f"{small}@1",
        "deal": "d1",
        "assessor": None,
        "status": "open",
        "revision": 2,
        "prospect_created": True,
        "session_opened": True,
        "summary": told["summary"],
        "indication": "fit",
        "settled": True,
        "leaning": "fit",
        "score": 87.5,
        "lowest": 87.5,
        "highest": 87.5,
        "coverage": 1.0,
        "points": 18,
        "points_min": 4,
        "points_max": 20,
        "rated": 4,
        "open": 0,
        "grade": None,
        "weaker_side": None,
        "blockers": None,
        "top_strength": "Budget: rated 5",
        "top_strength_key": "budget",
        "top_gap": None,
        "top_gap_key": None,
        "next_question": "How is the trust?",
        "next_question_key": "trust",
        "must_answer": None,
        "missing_attributes": None,
        "unread_attributes": None,
        "answers_to_fit": 0,
        "answers_to_no_fit": None,
        "valid_until": None,
        "decision": "pursue",
        "outcome": None,
        "match_score": 87.5,
        "benefit_score": 87.5,
        "ignored": [],
    }
    stored = session(client, told["session_id"])
    assert told["summary"] == stored["score"]["summary"]
    assert stored["decision"]["reason"] == "Both sides are strong."
    assert stored["decision"]["actor"] == stored["answers"][0]["actor"] == "ana"
    assert prospect(client, told)["name"] == "Acme"


def test_every_value_may_come_as_text_and_empty_ones_say_nothing(client, link, ruled):
    as_typed = filled(client, ruled, **link, employees=12.5, industry="bank", public=True, demand=4, audit=2)
    other = link | {"external_id": "7"}
    as_text = filled(
        client, ruled, source=link["source"], external_id=7, name="", deal="", employees=" 12.5 ",
        industry="bank", public="True", demand=" 4\u00a0", audit="2.0\n", decision="", decision_reason="",
        outcome="", outcome_amount="", outcome_currency="", outcome_closed_on="", outcome_reason="",
        outcome_competitor="", carry_over="", actor="", idempotency_key="", not_applicable="", unknown="",
    )  # fmt: skip
    ids = {"prospect_id", "session_id"}
    assert {k: v for k, v in as_text.items() if k not in ids} == {
        k: v for k, v in as_typed.items() if k not in ids
    }
    kept = {"employees": 12.5, "industry": "bank", "public": True}
    assert prospect(client, as_text)["attributes"] == prospect(client, as_typed)["attributes"] == kept
    assert prospect(client, as_text)["links"] == [other]


def test_an_empty_text_says_nothing_and_a_null_clears(client, link, ruled):
    filled(client, ruled, **link, employees=50, industry="bank", demand=4, audit=2)
    silent = filled(client, ruled, **link, name=" ", employees="", industry="\t\u00a0", demand="", audit=" ")
    assert prospect(client, silent)["attributes"] == {"employees": 50, "industry": "bank"}
    assert ratings_of(session(client, silent["session_id"])) == {"demand": 4, "audit": 2}
    told = filled(client, ruled, **link, employees=None, industry=None, demand=None, audit=None)
    assert prospect(client, told)["attributes"] == {}
    assert ratings_of(session(client, told["session_id"])) == {"demand": "open", "audit": "open"}
    # The size and the demand are open now; the audit does not apply any more.
    assert (told["rated"], told["open"]) == (0, 2)
    untouched = filled(client, ruled, **link, employees=50)
    again = filled(client, ruled, **link)
    assert (again["revision"], prospect(client, again)["attributes"]) == (
        untouched["revision"],
        {"employees": 50},
    )


def test_the_top_gap_is_words_that_a_seller_can_act_on(client, link):
    """Rated 2 it lies between two anchors; a label goes before the key."""
    told = filled(client, "qualifying-a-sale-short", **link, budget=1, requirements=4, timeline=5)
    assert told["top_gap"] == "Budget: no money is set aside, and they know of no way to find any"
    assert (told["top_gap_key"], told["blockers"]) == ("budget", "budget")
    assert told["must_answer"] == "current_challenges, decision_makers, concerns"
    between = filled(client, "qualifying-a-sale-short", **link, budget=2)
    assert between["top_gap"].startswith("Budget: between “no money is set aside, and they know of no way")
    assert between["top_strength_key"] == "timeline"


def test_the_fields_to_find_out_are_named(client, link, ruled):
    told = filled(client, ruled, **link, demand=4)
    assert told["missing_attributes"] == "employees, industry"
    assert filled(client, ruled, **link, employees=5, industry="ore")["missing_attributes"] is None


def test_states_come_as_a_word_or_in_a_list(client, link, small):
    told = filled(
        client,
        small,
        **link,
        budget="unknown",
        need="not_applicable",
        not_applicable=" goal ,",
        unknown="timeline",
    )
    states = {"budget": "unknown", "need": "not_applicable", "goal": "not_applicable", "timeline": "unknown"}
    assert ratings_of(session(client, told["session_id"])) == states
    taken_back = filled(client, small, **link, goal="open")
    assert ratings_of(session(client, taken_back["session_id"])) == states | {"goal": "open"}


def test_what_the_set_does_not_know_is_told_and_not_stored(client, link, small):
    told = filled(
        client, small, **link, budget=4, Industry="saas", score=99, nested={"a": [1]}, nothing=None,
        unknown="budge", not_applicable="nobody",
    )  # fmt: skip
    assert sorted(told["ignored"]) == ["Industry", "budge", "nested", "nobody", "nothing", "score"]
    assert prospect(client, told)["attributes"] == {}
    assert told["rated"] == 1


def test_a_known_field_that_cannot_be_used_is_named_and_nothing_is_written(client, link, ruled):
    wrong = {"employees": "12 people", "public": "yes", "industry": 5, "demand": 6, "audit": "2.5"}
    response = send(client, ruled, **link, **wrong)
    assert refusal(response) == (422, "invalid-request")
    assert sorted(pointers(response)) == ["/audit", "/demand", "/employees", "/industry", "/public"]
    address = f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}"
    assert refusal(client.get(address)) == (404, "not-found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget", 0),
        ("budget", 6),
        ("budget", 3.5),
        ("budget", "four"),
        ("budget", "4 5"),
        ("budget", True),
        ("budget", [4]),
        ("budget", {"rating": 4}),
        ("source", "No Source"),
        ("source", ""),
        ("external_id", 1.5),
        ("external_id", None),
        ("name", 5.5),
        ("name", True),
        ("deal", []),
        ("decision", "maybe"),
        ("outcome", "Closed won"),
        ("outcome_amount", "much"),
        ("outcome_amount", -1),
        ("outcome_closed_on", "31.03.2026"),
        ("outcome_currency", "euro"),
        ("outcome_reason", "100 %"),
        ("carry_over", "perhaps"),
        ("carry_over", 1),
        ("not_applicable", ["budget"]),
        ("unknown", 4),
        ("idempotency_key", "two words"),
    ],
)
def test_a_bad_value_names_its_field(client, link, small, field, value):
    response = send(client, small, **(link | {field: value}))
    assert refusal(response) == (422, "invalid-request")
    assert pointers(response) == [f"/{field}"]


def test_a_question_in_two_places_is_refused(client, link, small):
    response = send(client, small, **link, budget=4, unknown="budget")
    assert (refusal(response), pointers(response)) == ((422, "invalid-request"), ["/unknown"])
    twice = send(client, small, **link, unknown="need", not_applicable="need")
    assert pointers(twice) == ["/unknown"]


def test_a_text_of_more_than_1000_characters_is_refused(client, link, ruled):
    assert pointers(send(client, ruled, **link, industry="x" * 1001)) == ["/industry"]
    assert filled(client, ruled, **link, industry="x" * 1000)["ignored"] == []


@pytest.mark.parametrize("state", ["not_applicable", "unknown"])
def test_a_list_of_questions_has_at_most_4000_characters(client, link, small, state):
    assert filled(client, small, **link, **{state: "need".ljust(4000, ",")})["ignored"] == []
    too_long = send(client, small, **link, **{state: "need".ljust(4001, ",")})
    assert (refusal(too_long), pointers(too_long)) == ((422, "invalid-request"), [f"/{state}"])


def test_an_unknown_set_is_404_and_a_bad_name_422(client, link):
    assert refusal(send(client, "no-such-set", **link)) == (404, "not-found")
    assert refusal(send(client, "bant@99", **link)) == (404, "not-found")
    assert refusal(send(client, "No%20Set", **link)) == (422, "invalid-request")


def test_it_goes_on_with_the_open_session_on_its_own_version(client, link, publish, small):
    opened = filled(client, small, **link, budget=4)
    definition = ok(client.get(f"/v1/question-sets/{small}"))["definition"]
    definition["steps"][0]["questions"].append({"key": "fresh", "text": "fresh?", "dimension": "match"})
    assert publish(definition) == 2
    on_it = filled(client, small, **link, fresh=5, timeline=3)
    assert (on_it["session_id"], on_it["question_set"]) == (opened["session_id"], f"{small}@1")
    assert on_it["ignored"] == ["fresh"]
    clash = send(client, f"{small}@2", **link, fresh=5)
    assert refusal(clash) == (409, "session-is-open")
    anew = filled(client, small, **link, deal="next", fresh=5)
    assert (anew["question_set"], anew["ignored"], anew["rated"]) == (f"{small}@2", [], 1)


def test_an_outcome_closes_it_and_the_same_form_again_changes_nothing(client, link, small):
    form = {
        **link,
        "budget": 4,
        "outcome": "won",
        "outcome_amount": "78000",
        "outcome_currency": "CHF",
        "outcome_closed_on": "2026-03-31",
        "outcome_reason": "price",
        "outcome_competitor": "Initech",
    }
    told = filled(client, small, **form)
    assert (told["status"], told["outcome"]) == ("closed", "won")
    stored = session(client, told["session_id"])["outcome"]
    facts = {"currency": "CHF", "closed_on": "2026-03-31", "reason": "price", "competitor": "Initech"}
    assert stored.items() >= ({"amount": 78000} | facts).items()
    again = filled(client, small, **form)
    assert again == told | {"prospect_created": False, "session_opened": False}


def test_carry_over_begins_with_the_last_answers(client, link, small):
    first = filled(client, small, **link, budget=4, need=2)
    ok(conclude(client, first["session_id"], "no_decision"))
    second = filled(client, small, **link, carry_over="true", goal=3)
    assert second["session_id"] != first["session_id"]
    assert ratings_of(session(client, second["session_id"])) == {"budget": 4, "need": 2, "goal": 3}


def test_under_an_idempotency_key_it_is_done_once(client, link, small):
    form = {**link, "budget": 4, "idempotency_key": f"form-{link['external_id']}"}
    first, second = send(client, small, **form), send(client, small, **form)
    assert (first.content, first.headers["etag"]) == (second.content, second.headers["etag"])
    assert second.headers["idempotent-replayed"] == "true"
    assert refusal(send(client, small, **(form | {"budget": 5}))) == (422, "idempotency-key-reused")


def test_it_writes_what_qualify_writes(client, link, other_link, ruled):
    """The same told in both ways ends in the same: session, score, history."""
    by_form = filled(
        client, ruled, **link, name="Acme", employees=8, industry="bank", audit=4, unknown="demand",
        decision="nurture", actor="ana@example.com",
    )  # fmt: skip
    told = qualify(
        client, other_link, question_set=ruled, name="Acme", attributes={"employees": 8, "industry": "bank"},
        ratings={"audit": 4}, answers=[{"question": "demand", "state": "unknown"}],
        decision={"decision": "nurture"}, actor="ana@example.com",
    )  # fmt: skip

    def without_ids(value):
        if isinstance(value, dict):
            left_out = ("_id", "_at", "at", "as_of", "links")
            return {k: without_ids(v) for k, v in value.items() if k != "id" and not k.endswith(left_out)}
        return [without_ids(v) for v in value] if isinstance(value, list) else value

    for read in (
        lambda t: session(client, t["session_id"]),
        lambda t: history(client, t["session_id"]),
        lambda t: prospect(client, t),
    ):
        assert without_ids(read(by_form)) == without_ids(read(told))


def test_a_merged_prospect_is_found_by_its_other_link(client, link, other_link, small):
    told = filled(client, small, **link, budget=4)
    other = new_prospect(client, links=[other_link])
    ok(client.post(f"/v1/prospects/{told['prospect_id']}/merge", json={"prospect_id": other["id"]}))
    again = filled(client, small, **other_link, need=2)
    assert (again["session_id"], again["rated"]) == (told["session_id"], 2)
    assert answer(client, told["session_id"], goal=1)["revision"] == again["revision"] + 1


def test_a_form_records_a_past_deal(client, link, small):
    told = filled(
        client, small, **link, budget="4", actor="ana", opened_on="2025-01-15T08:30:00Z", decision="Pursue",
        decision_reason="They called us.", outcome="No decision", outcome_amount=" 1200.50 ",
        outcome_currency="EUR", outcome_closed_on="2025-03-31", outcome_reason="Zu teuer für sie (Größe)",
    )  # fmt: skip
    assert (told["decision"], told["outcome"]) == ("pursue", "no_decision")
    kept = session(client, told["session_id"])
    assert kept["opened_at"] == "2025-01-15T00:00:00Z"
    assert kept["decision"]["reason"] == "They called us."
    assert {name: kept["outcome"][name] for name in ("amount", "currency", "closed_on", "reason")} == {
        "amount": 1200.5,
        "currency": "EUR",
        "closed_on": "2025-03-31",
        "reason": "zu_teuer_fuer_sie_groesse",
    }


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decision", "maybe"),
        ("opened_on", "15.01.2025"),
        ("outcome_reason", "价格太高"),
    ],
)
def test_a_word_without_a_meaning_is_refused(client, link, small, field, value):
    refused = send(client, small, **link, **{"outcome": "won", field: value})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), [f"/{field}"])


@pytest.mark.parametrize(
    "sent",
    [
        "2026-01-05T09:30:00Z",
        "2026-01-05T10:30:00+01:00",
        "2026-01-05T09:30:00.000+0000",  # Salesforce
        1767605400,  # date -u -d 2026-01-05T09:30Z +%s
        "1767605400",
        1767605400000,
        "1767605400000",
    ],
    ids=repr,
)
def test_all_answers_have_the_time_that_the_form_names(client, link, small, sent):
    told = filled(client, small, **link, budget=5, need="4", unknown="goal", answered_at=sent)
    given = {
        entry["question"]: entry["answered_at"] for entry in session(client, told["session_id"])["answers"]
    }
    assert given == dict.fromkeys(("budget", "need", "goal"), "2026-01-05T09:30:00Z")


@pytest.mark.parametrize("sent", ["yesterday", True, "2999-01-01T00:00:00Z"], ids=repr)
def test_the_time_of_the_answers_has_to_be_a_time_in_the_past(client, link, small, sent):
    refused = send(client, small, **link, budget=5, answered_at=sent)
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == ["/answered_at"]


@pytest.mark.parametrize(
    "sent",
    [
        "2026-01-31",
        "2026-01-31T09:00:00Z",
        "2026-01-31 09:00:00",  # Odoo
        "2026-01-31T09:00:00.000+0000",  # Salesforce
        1769850000000,  # HubSpot; date -u -d 2026-01-31T09:00Z +%s gives 1769850000
        pytest.param("1769850000000", id="the same as text"),
        "/Date(1769850000000+0100)/",  # Dataverse
    ],
)
def test_a_time_is_taken_for_its_day(client, link, small, sent):
    told = filled(
        client, small, **link, budget=4, actor="ana", opened_on=sent, decision="nurture",
        decision_revisit_on=sent, outcome="won", outcome_closed_on=sent, outcome_currency=" eur ",
    )  # fmt: skip
    kept = session(client, told["session_id"])
    assert kept["opened_at"] == "2026-01-31T00:00:00Z"
    assert kept["decision"]["revisit_on"] == kept["outcome"]["closed_on"] == "2026-01-31"
    assert kept["outcome"]["currency"] == "EUR"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome_closed_on", 20260131),
        ("outcome_closed_on", "46053"),
        ("decision_revisit_on", "soon"),
        ("outcome_currency", "Euro"),
        ("outcome_currency", "E1R"),
    ],
)
def test_what_is_no_day_and_no_currency_is_refused(client, link, small, field, value):
    refused = send(client, small, **link, **{"outcome": "won", field: value})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), [f"/{field}"])
