"""What a request may ask of time, and of how much there is to tell."""

from tests.api.calls import ok, pointers, refusal
from tests.scoring.building import question, step, weighted


def test_an_answer_of_the_year_9999_is_refused_and_not_a_failure(client, publish):
    publish(weighted(step("only", question("need", stale_after_days=90)), key="end-of-time"))
    sent = {"question": "need", "rating": 4, "answered_at": "9999-12-31T23:59:59Z"}
    refused = client.post("/v1/score", json={"question_set": "end-of-time", "answers": [sent]})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/answers/0/answered_at"])
    refused = client.post("/v1/score", json={"question_set": "end-of-time", "as_of": "9999-12-31T23:59:59Z"})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/as_of"])
    assert refused.json()["errors"][0]["detail"] == "send a time before the year 9000"


def test_the_last_second_before_the_year_9000_can_be_asked_for(client):
    sent = {"question_set": "bant", "as_of": "8999-12-31T23:59:59Z"}
    assert ok(client.post("/v1/score", json=sent))["as_of"] == "8999-12-31T23:59:59Z"
    refused = client.post("/v1/score", json=sent | {"as_of": "9000-01-01T00:00:00Z"})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/as_of"])


def test_of_very_many_flaws_a_draft_tells_the_first_hundred_and_how_many_there_are(client):
    steps = [step(f"s{n}", *[{"key": "Q"} for _ in range(100)]) for n in range(2)]
    told = ok(client.put("/v1/question-sets/full-of-flaws/draft", json={"steps": steps}))
    assert (len(told["flaws"]), told["publishable"]) == (100, False)
    # title, combine and dimensions are missing; each question has a bad key, no text and no dimension.
    assert told["flaw_count"] == 3 + 200 * 3


def test_a_variant_of_thousands_of_changes_is_refused_at_once(client):
    long = {"extends": "bant@1", "omit": ["need"] * 9000}
    told = ok(client.put("/v1/question-sets/far-too-much/draft", json=long))
    assert [flaw["pointer"] for flaw in told["flaws"]] == ["/omit"]


def test_a_question_does_not_change_its_meaning_by_a_detour_through_its_ancestry(client, small):
    def published(key, document):
        address = f"/v1/question-sets/{key}/draft"
        saved = ok(client.put(address, json=document))
        return client.post(f"{address}/publish", headers={"If-Match": f'"{saved["revision"]}"'})

    ok(published(f"without-{small}", {"extends": f"{small}@1", "omit": ["budget"]}), 201)
    again = {"question": question("budget", "benefit"), "step": "discovery"}
    refused = published(f"again-{small}", {"extends": f"without-{small}@1", "add": [again]})
    assert refusal(refused) == (422, "draft-has-flaws")
    assert pointers(refused) == ["/add/0/question/dimension"]
