"""The calls that the tests make, as sentences."""

from tests.scoring.building import question, reciprocal, step, weighted

THRESHOLDS = {"fit_at": 60, "no_fit_below": 50}

# Each side has two questions of weight 1: with x = r − 1 a side's figures are x's sum of 8.
SMALL = reciprocal(
    step("discovery", question("budget", "match"), question("need", "benefit")),
    step("drill_down", question("timeline", "match"), question("goal", "benefit")),
    step("rapport", question("trust", "match"), gated=True),
    thresholds=THRESHOLDS,
)

# The size is rated by rule, the audit is asked of banks only: one pool of two or three questions.
RULED = weighted(
    step(
        "facts",
        question(
            "size",
            rate_from={
                "attribute": "employees",
                "bands": [{"below": 10, "rating": 1}, {"below": 100, "rating": 3}, {"rating": 5}],
            },
        ),
        question("audit", ask_when={"industry": {"equals": "bank"}}),
        question("demand"),
    ),
    thresholds=THRESHOLDS,
    attributes={"employees": "number", "industry": "text", "public": "boolean"},
)


def ok(response, status=200):
    """What a call returned that had to work."""
    assert response.status_code == status, response.text
    return response.json()


def refusal(response):
    """The status and the kind of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    told = response.json()
    assert told["status"] == response.status_code
    return response.status_code, told["type"].removeprefix("urn:prospect-fit:problem:")


def pointers(response):
    """Where in the request a problem was found."""
    return [error["pointer"] for error in response.json()["errors"]]


def qualify(client, link, **sent):
    return ok(client.post("/v1/qualify", json={**link, **sent}))


def open_session(client, prospect_id, **sent):
    return ok(client.post("/v1/sessions", json={"prospect_id": prospect_id, **sent}), 201)


def session(client, session_id):
    return ok(client.get(f"/v1/sessions/{session_id}"))


def patch(client, session_id, **sent):
    return client.patch(f"/v1/sessions/{session_id}/answers", json=sent)


def answer(client, session_id, **ratings):
    return ok(patch(client, session_id, ratings=ratings))


def decide(client, session_id, decision, **sent):
    said = {"decision": decision, "actor": "ana@example.com", **sent}
    return client.post(f"/v1/sessions/{session_id}/decision", json=said)


def conclude(client, session_id, outcome, **sent):
    return client.post(f"/v1/sessions/{session_id}/outcome", json={"outcome": outcome, **sent})


def history(client, session_id):
    return ok(client.get(f"/v1/sessions/{session_id}/history"))


def verdict_in(score):
    """The verdict that the history keeps of a whole score."""
    names = (
        "indication", "settled", "leaning", "score", "grade", "lowest", "highest", "coverage",
        "question_set", "dimensions",
    )  # fmt: skip
    return {name: score[name] for name in names} | {
        "blockers": [one["question"] for one in score["blockers"]]
    }


def as_read(told):
    """What opening a session returned, without how its set was chosen: only that call tells."""
    return {name: value for name, value in told.items() if not name.startswith("chosen_")}


def new_prospect(client, **sent):
    return ok(client.post("/v1/prospects", json=sent), 201)


def change(client, prospect_id, **sent):
    return client.patch(f"/v1/prospects/{prospect_id}", json=sent)


def upsert(client, link, **sent):
    return client.put(f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}", json=sent)


def merge(client, kept_id, other_id):
    return client.post(f"/v1/prospects/{kept_id}/merge", json={"prospect_id": other_id})


def ratings_of(told):
    """The rating, or else the state, of every answer of a session."""
    return {a["question"]: a["rating"] if a["rating"] is not None else a["state"] for a in told["answers"]}


def asked_next(told):
    return [line["question"] for line in told["score"]["next_questions"]]


def every_page(client, address, between=lambda: None):
    """All items of a list, page after page; `between` happens before every further page."""
    page = ok(client.get(address))
    items = page["items"]
    while page["next"]:
        between()
        page = ok(client.get(page["next"]))
        items += page["items"]
    return items


def end_of_feed(client):
    """The cursor after all that has happened."""
    return ok(client.get("/v1/events?after=latest"))["cursor"]


def cursor_after(event):
    """The cursor after an event of the feed."""
    return f"{event['position']}.{event['id']}"


def position_of(cursor):
    """The position that a cursor names."""
    return int(cursor.partition(".")[0])


def events_after(client, cursor, **query):
    """All that happened since, page after page."""
    asked = "&".join(f"{name}={value}" for name, value in {"after": cursor, "limit": 200, **query}.items())
    return every_page(client, f"/v1/events?{asked}")


def types_of(events):
    return [event["type"] for event in events]


def prospect_ids(client):
    """The ids of all prospects."""
    found, address = set(), "/v1/prospects?limit=200"
    while address:
        page = ok(client.get(address))
        found |= {prospect["id"] for prospect in page["items"]}
        address = page["next"]
    return found
