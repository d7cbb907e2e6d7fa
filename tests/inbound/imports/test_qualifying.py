"""Imports that also qualify: the whole base with its past, and again without any change."""

import pytest

from tests.api.calls import (
    SMALL,
    change,
    conclude,
    end_of_feed,
    events_after,
    every_page,
    history,
    ok,
    patch,
    pointers,
    qualify,
    ratings_of,
    refusal,
    session,
)
from tests.api.conftest import small
from tests.inbound.forms.test_aliases import teach
from tests.inbound.imports.conftest import CSV, NDJSON, counted, lines, remarks, stored

__all__ = ["small"]
# Two open deals, one that was won and two that were lost, one prospect of which has three of them.
HEADINGS = "Account;Deal;Need;Budget;# Employees;Opened on;Decision;Outcome;Amount;Currency;Reason;Closed on"
DEALS = [
    "Acme;north;4;5;1.200;2025-01-15;Pursue;Won;1.200,50;EUR;;2025-03-31",
    "Acme;south;2;n/a;1.200;2025-02-01;;Lost;;;Too expensive;2025-04-30",
    "Acme;;5;5;1.200;;;;;;;",
    "Beta;;1;2;;2024-12-24;disqualify;No decision;;;;",
    "Gamma;;;;50;;;;;;;",
]
TABLE = "\n".join([HEADINGS, *DEALS])
COLUMNS = {"id": "Account", "name": "Account"}


def sessions_of(client, source):
    """The sessions of a source's prospects, by the external id and the deal."""
    found = {}
    for prospect in every_page(client, f"/v1/prospects?source={source}&limit=200"):
        external_id = prospect["links"][0]["external_id"]
        for line in every_page(client, f"/v1/sessions?prospect_id={prospect['id']}"):
            found[external_id, line["deal"]] = session(client, line["session_id"])
    return found


def test_every_row_is_stored_and_scored_with_its_past(client, send, source, small):
    answers = send(TABLE, qualify=small, **COLUMNS)
    end = answers[-1]
    assert counted(answers) == (3, 2, 0, 0)
    assert (end["qualified"], end["sessions_opened"]) == (5, 5)
    assert sum(end["indications"].values()) == 5
    kept = sessions_of(client, source)
    assert {key: (one["status"], one["opened_at"][:10]) for key, one in kept.items() if key[1]} == {
        ("Acme", "north"): ("closed", "2025-01-15"),
        ("Acme", "south"): ("closed", "2025-02-01"),
    }
    won, lost = kept["Acme", "north"], kept["Acme", "south"]
    assert (ratings_of(won), ratings_of(lost)) == (
        {"need": 4, "budget": 5},
        {"need": 2, "budget": "not_applicable"},
    )
    facts = ("outcome", "amount", "currency", "reason", "closed_on", "hindsight")
    assert [won["outcome"][fact] for fact in facts] == ["won", 1200.5, "EUR", None, "2025-03-31", True]
    assert [lost["outcome"][fact] for fact in facts] == [
        "lost", None, None, "too_expensive", "2025-04-30", True,
    ]  # fmt: skip
    assert (won["decision"]["decision"], won["decision"]["actor"]) == ("pursue", "import:admin")
    assert kept["Beta", None]["status"] == "closed"
    assert ratings_of(kept["Gamma", None]) == {}
    assert {one["name"] for one in every_page(client, f"/v1/prospects?source={source}")} == {
        "Acme", "Beta", "Gamma",
    }  # fmt: skip


def test_the_same_file_again_changes_nothing(client, send, source, small):
    send(TABLE, qualify=small, **COLUMNS)
    kept, cursor = sessions_of(client, source), end_of_feed(client)
    again = send(TABLE, qualify=small, **COLUMNS)
    assert counted(again) == (0, 0, 5, 0)
    assert (again[-1]["qualified"], again[-1]["sessions_opened"]) == (5, 0)
    assert (sessions_of(client, source), events_after(client, cursor)) == (kept, [])


def test_importing_again_keeps_later_changes(client, send, source, small):
    """The session of Acme without a deal is closed, and another one is open beside the deal of the north."""
    send(TABLE, qualify=small, **COLUMNS)
    acme = {"source": source, "external_id": "Acme"}
    ok(conclude(client, sessions_of(client, source)["Acme", None]["session_id"], "won"))
    qualify(client, acme, question_set=small, deal="north", ratings={"need": 1})
    cursor = end_of_feed(client)
    assert counted(send(TABLE, qualify=small, **COLUMNS)) == (0, 0, 5, 0)
    assert events_after(client, cursor) == []


@pytest.mark.parametrize(
    ("deal", "corrected", "outcomes"),
    [
        ("south", "Lost;900;EUR", [("lost", None), ("lost", 900)]),
        ("south", "Won;900;EUR", [("lost", None), ("won", 900)]),
        ("", "Lost;900;EUR", [("lost", None), ("lost", 900)]),
        ("", "Won;900;EUR", [("lost", None)]),
    ],
)
def test_a_row_corrects_an_outcome_of_its_deal_or_adds_to_it(  # noqa: PLR0917  # fixtures and a case
    client, send, source, small, deal, corrected, outcomes
):
    """Without a deal, another outcome is that of another deal."""
    send(f"{HEADINGS}\nAcme;{deal};2;3;;;;Lost;;;;", qualify=small, **COLUMNS)
    (first,) = sessions_of(client, source).values()
    answers = send(f"{HEADINGS}\nAcme;{deal};2;3;;;;{corrected};;", qualify=small, **COLUMNS)
    assert counted(answers) == (0, 1, 0, 0)
    assert answers[-1]["sessions_opened"] == (len(outcomes) == 1)
    told = history(client, first["session_id"])["outcomes"]
    assert [(one["outcome"], one["amount"]) for one in told] == outcomes
    assert {one["hindsight"] for one in told} == {True}


def test_importing_again_undoes_no_person(client, send, source, small):
    """The file has the old rating, name and size. A cell that was changed is heard, and no other one."""
    rows = f"{HEADINGS}\nAcme;;2;3;50;;;;;;;"
    send(rows, qualify=small, **COLUMNS)
    (opened,) = sessions_of(client, source).values()
    ok(patch(client, opened["session_id"], ratings={"need": 5}))
    facts = {"name": "Acme Ltd", "attributes": {"employees": 80}}
    ok(change(client, opened["prospect_id"], **facts))
    assert counted(send(rows, qualify=small, **COLUMNS)) == (0, 0, 1, 0)
    assert counted(send("Account;# Employees\nAcme;50", **COLUMNS)) == (0, 0, 1, 0)
    assert counted(send(rows.replace("2;3;50", "2;4;60"), qualify=small, **COLUMNS)) == (0, 1, 0, 0)
    assert ratings_of(session(client, opened["session_id"])) == {"need": 5, "budget": 4}
    prospect = ok(client.get(f"/v1/prospects/{opened['prospect_id']}"))
    assert (prospect["name"], prospect["attributes"]["employees"]) == ("Acme Ltd", 60)


def test_every_day_of_opening_has_its_own_last_row(client, send, small):
    """Two deals without a number: a corrected row goes to the session of its day, though another is newer."""
    days = ("2024-03-01", "2025-03-01")
    rows = [f"Acme;;{need};3;;{day};;Lost;;;;" for need, day in zip((2, 4), days, strict=True)]
    assert send("\n".join([HEADINGS, *rows]), qualify=small, **COLUMNS)[-1]["sessions_opened"] == 2
    cursor = end_of_feed(client)
    assert counted(send("\n".join([HEADINGS, *rows]), qualify=small, **COLUMNS)) == (0, 0, 2, 0)
    assert events_after(client, cursor) == []
    rows[0] = rows[0].replace("Lost", "Won")
    answers = send("\n".join([HEADINGS, *rows]), qualify=small, **COLUMNS)
    assert (counted(answers), answers[-1]["sessions_opened"]) == ((0, 1, 1, 0), 0)
    found = every_page(client, f"/v1/sessions?question_set={small}")
    assert {line["opened_at"][:10]: line["outcome"] for line in found} == dict(
        zip(days, ("won", "lost"), strict=True)
    )


def test_a_row_cannot_change_the_answers_of_its_closed_session_while_another_is_open(
    client, send, source, small
):
    row = "Acme;;2;3;;2024-03-01;;Lost;;;;"
    send(f"{HEADINGS}\n{row}", qualify=small, **COLUMNS)
    opened = qualify(
        client, {"source": source, "external_id": "Acme"}, question_set=small, ratings={"goal": 1}
    )
    cursor = end_of_feed(client)
    answers = send(f"{HEADINGS}\n{row.replace(';2;3;', ';2;5;')}", qualify=small, **COLUMNS)
    assert counted(answers) == (0, 0, 0, 1)
    (refused,) = (one["problem"] for one in answers if one.get("problem"))
    assert refused["type"].endswith(":session-is-open")
    assert opened["session_id"] in refused["detail"]
    # The outcome can still be corrected.
    assert counted(send(f"{HEADINGS}\n{row.replace('Lost', 'Won')}", qualify=small, **COLUMNS)) == (
        0,
        1,
        0,
        0,
    )
    assert {event["session_id"] for event in events_after(client, cursor)} == {
        one["session_id"] for one in every_page(client, f"/v1/sessions?question_set={small}&outcome=won")
    }


def test_rows_without_deal_and_day_are_found_by_what_they_conclude(client, send, small):
    rows = [f"Acme;;{need};3;;;;{outcome};;;;" for need, outcome in ((2, "Won"), (4, "Lost"), (4, "Won"))]
    table = "\n".join([HEADINGS, *rows])
    assert send(table, qualify=small, **COLUMNS)[-1]["sessions_opened"] == 3
    cursor = end_of_feed(client)
    assert counted(send(table, qualify=small, **COLUMNS)) == (0, 0, 3, 0)
    assert events_after(client, cursor) == []


def test_a_bad_detail_costs_a_cell_and_a_bad_word_its_row(client, send, source, small):
    rows = [
        HEADINGS,
        "A;;4;5;12 Mio;;;Lost;30 Mio;Euro;;",
        "B;;4;5;;;;Closed Won;;;;",
        "C;;4;9;;;;;;;;",
        "D;;4;5;;12/31/2024;;;;;;",
        "E;;4;5;;;Pursue;Lost;;;价格太高;",
    ]
    answers = send("\n".join(rows), qualify=small, **COLUMNS)
    assert counted(answers) == (2, 0, 0, 3)
    remarks = {one["line"]: one["remarks"] for one in answers if "remarks" in one}
    assert [remark.partition(":")[0] for remark in remarks[2]] == [
        "row 2, Amount", "row 2, # Employees", "row 2, outcome_currency",
    ]  # fmt: skip
    assert [remark.partition(":")[0] for remark in remarks[6]] == ["row 6, outcome_reason"]
    refused = {one["line"]: one["problem"]["errors"][0] for one in answers if one.get("problem")}
    assert {line: error["pointer"] for line, error in refused.items()} == {
        3: "/outcome",
        4: "/budget",
        5: "/opened_on",
    }
    assert sessions_of(client, source).keys() == {("A", None), ("E", None)}
    assert refused[3]["detail"].endswith(
        ", or a value alias of the source: define it with PUT /v1/value-aliases/{source}"
    )
    ok(teach(client, source, ("outcome", "Closed Won", "won")))
    assert counted(send("\n".join([rows[0], rows[2]]), qualify=small, **COLUMNS)) == (1, 0, 0, 0)
    assert sessions_of(client, source)["B", None]["outcome"]["outcome"] == "won"


@pytest.mark.parametrize("question_set", [None, "area-as-number"])
def test_the_set_to_qualify_with_declares_the_types_of_its_attributes(
    client, send, source, publish, question_set
):
    """Another set declares a number, which is what decides where the set to qualify with declares nothing."""
    both = {"area": "text", "staff_here": "number"}
    publish(SMALL | {"key": "area-as-number", "attributes": dict.fromkeys(["area", "floors_here"], "number")})
    publish(SMALL | {"key": "area-as-text", "attributes": both})
    publish(SMALL | {"key": "area-as-text", "attributes": both | {"area": "number"}})
    table = "external_id,area,staff_here,floors_here\na,north,12,many\n"
    named = {"question_set": question_set} if question_set else {}
    answers = send(table, qualify="area-as-text@1", **named)
    assert remarks(answers) == {2: ['row 2, floors_here: "many" is not a number']}
    assert stored(client, source)["a"][1] == {"area": "north", "staff_here": 12}


def test_a_day_as_a_serial_number_is_refused_with_its_remedy(send, small):
    """45657 is 2024-12-31 in a spreadsheet."""
    answers = send(f"{HEADINGS}\nD;;4;5;;45657;;;;;;", qualify=small, **COLUMNS)
    (detail,) = (one["problem"]["errors"][0]["detail"] for one in answers if one.get("problem"))
    assert detail.startswith('row 2, opened_on: "45657" is how a spreadsheet stores a day: format the column')


def test_days_with_dots_are_read_with_the_day_first(client, send, source, small):
    """And the same file with days in ISO 8601 changes nothing."""
    names = ("external_id", "need", "opened_on", "answered_at", "decision", "actor", "decision_revisit_on")
    headings = ";".join((*names, "outcome_closed_on", "outcome"))
    with_dots = [
        "D;4;1.2.2025;01.02.2025 14:30;nurture;ana;31.12.2031;;",
        "E;4;29.02.2024;;;;;28.02.2025 00:00:00;won",
    ]
    in_iso = [
        "D;4;2025-02-01;2025-02-01T14:30:00Z;nurture;ana;2031-12-31;;",
        "E;4;2024-02-29;;;;;2025-02-28;won",
    ]
    assert counted(send("\n".join([headings, *with_dots]), qualify=small)) == (2, 0, 0, 0)
    kept = sessions_of(client, source)
    open_one, closed = kept["D", None], kept["E", None]
    assert (open_one["opened_at"][:10], open_one["decision"]["revisit_on"]) == ("2025-02-01", "2031-12-31")
    assert [one["answered_at"] for one in open_one["answers"]] == ["2025-02-01T14:30:00Z"]
    assert (closed["opened_at"][:10], closed["outcome"]["closed_on"]) == ("2024-02-29", "2025-02-28")
    assert counted(send("\n".join([headings, *in_iso]), qualify=small)) == (0, 0, 2, 0)


@pytest.mark.parametrize(
    ("day", "remedy"),
    [
        *((day, "write it as 31.12.2025, with all four") for day in ("31.12.25", "31.02.2025", "1.13.2025")),
        *((day, "YYYY-MM-DD") for day in ("2025.12.31", "12/31/2025")),
    ],
)
def test_a_day_that_can_mean_several_or_none_refuses_its_row(send, small, day, remedy):
    answers = send(f"{HEADINGS}\nD;;4;5;;{day};;;;;;", qualify=small, **COLUMNS)
    (error,) = (one["problem"]["errors"][0] for one in answers if one.get("problem"))
    assert error["pointer"] == "/opened_on"
    assert remedy in error["detail"]


def test_lines_and_their_persons_are_qualified_too(client, send, source, small):
    text = lines(
        {"external_id": "1", "need": 4, "assessor": "ana@example.com", "attributes": {"city": "Rome"}},
        {"external_id": "1", "need": 2, "assessor": "bo@example.com", "actor": "bo", "decision": "nurture"},
    )
    assert counted(send(text, NDJSON, qualify=small)) == (1, 1, 0, 0)
    prospect = ok(client.get(f"/v1/prospects/by-external-id/{source}/1"))
    assert prospect["attributes"] == {"city": "Rome"}
    lines_ = every_page(client, f"/v1/sessions?prospect_id={prospect['id']}")
    assert {line["assessor"] for line in lines_} == {"ana@example.com", "bo@example.com"}
    decided = next(session(client, line["session_id"]) for line in lines_ if line["decision"])
    assert (decided["decision"]["actor"], decided["decision"]["decision"]) == ("bo", "nurture")


def test_answers_have_the_time_of_their_row(client, send, source, small):
    """A time that cannot be read costs its cell. An answer that is older changes nothing."""
    rows = ["external_id,need,answered_at", "1,4,2026-01-05T09:30:00Z", "2,4,in May"]
    answers = send("\n".join(rows), qualify=small)
    assert (counted(answers), answers[-1]["cells_left_out"]) == ((2, 0, 0, 0), 1)
    (given,) = sessions_of(client, source)["1", None]["answers"]
    assert given["answered_at"] == "2026-01-05T09:30:00Z"
    send("\n".join([rows[0], "1,2,2026-01-04T09:30:00Z"]), qualify=small)
    assert ratings_of(sessions_of(client, source)["1", None]) == {"need": 4}


def test_facts_alone_are_scored(client, send, source, ruled):
    """50 employees are a rating of 3 by rule: x = 2 of 4 where only the size and the demand are asked."""
    answers = send("external_id,employees\n1,50\n", qualify=ruled)
    assert (counted(answers), answers[-1]["sessions_opened"]) == ((1, 0, 0, 0), 1)
    kept = sessions_of(client, source)["1", None]
    assert (kept["score"]["lowest"], kept["score"]["highest"]) == (25.0, 75.0)


@pytest.mark.one_database
def test_an_unknown_set_is_refused_before_anything_is_stored(client, source):
    query = {"source": source, "qualify": "nobodys-set"}
    refused = client.post("/v1/prospects/import", params=query, content="external_id\n1\n", headers=CSV)
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/qualify"])
    assert refused.json()["errors"][0]["where"] == "query"
