"""A qualification in a real browser: by mouse, by keyboard, without scripts, and without a network."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.calls import ok
from tests.conftest import Running
from tests.pages.conftest import (
    NAME,
    Browse,
    Open,
    answer,
    fields_of,
    form_fields,
    key_with,
    led_to,
    questions,
    ratings,
    stored,
    submit,
)


@pytest.mark.one_database
def test_a_whole_qualification_by_mouse(service: Running, open_page: Open, session: dict) -> None:
    page = open_page(f"/sessions/{session['session_id']}")
    assert page.locator("input[name=answer]:checked").count() == 0
    asked = questions(service)
    for key in asked:
        assert answer(page, 5, following=key != asked[-1]) == key
    expect(page.get_by_role("heading", name="Decide")).to_be_focused()
    page.get_by_label("Pursue").check()
    page.locator("input[name=match][value=yes]").check()
    page.get_by_label("Why?").fill("Both sides fit.")
    page.get_by_role("button", name="Record the decision").click()
    page.wait_for_url(re.compile(r"/prospects/"))
    decided = stored(service, session)
    assert (decided["decision"]["decision"], decided["decision"]["actor"]) == ("pursue", NAME)
    assert decided["decision"]["reason"] == "Both sides fit."
    assert {one["rating"] for one in decided["answers"]} == {5}
    page.get_by_role("link", name="Decide").click()
    expect(page.locator(".note", has_text=f"Pursue: {NAME}")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="How did it end?").click()
    page.get_by_label("Won").check()
    page.get_by_label("Amount").fill("1200.50")
    page.get_by_label("Currency").fill("eur ")
    page.get_by_label("Reason").fill("Too dear")
    page.get_by_label("Competitor").fill("Globex")
    page.get_by_role("button", name="Record the outcome").click()
    page.wait_for_url(re.compile(r"/prospects/"))
    closed = stored(service, session)
    assert closed["status"] == "closed"
    outcome = [closed["outcome"][name] for name in ("amount", "currency", "reason", "competitor")]
    assert outcome == [1200.5, "EUR", "too_dear", "Globex"]
    expect(page.locator("main")).to_contain_text("Won, 1,200 EUR. Reason: too dear. Competitor: Globex")
    page.get_by_role("link", name="See the answers").click()
    expect(page.get_by_role("heading", name="Decide")).to_be_visible()
    assert page.get_by_label("Why?").count() == 0


@pytest.mark.one_database
@pytest.mark.parametrize(("question_set", "asks"), [("bant", True), ("purpose-before-self", False)])
def test_only_a_decision_on_a_prospect_asks_for_both_sides(
    service: Running, ana: httpx.Client, question_set: str, asks: bool
) -> None:
    sent = {"source": "test.sides", "external_id": question_set, "question_set": question_set}
    session = ok(service.client.post("/v1/qualify", json=sent))
    page = ana.get(f"/sessions/{session['session_id']}?question=decision").text
    assert "Record the decision" in page
    assert ("Is our offer right for them?" in page, "Would they benefit?" in page) == (asks, asks)


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("question_set", "rated", "shown"),
    [
        # One of the two questions on the benefit, and all three on the match.
        ("champ", ("challenges", "authority", "money", "prioritisation"), "at least 50 % of each side."),
        # Two of the three on the match: 66.67 %, and not at least 67.
        ("champ", ("challenges", "challenge_effect", "authority", "money"), "at least 66 % of each side."),
        ("champ", ("authority",), "Rated so far: 0 %."),
        ("bant", ("budget", "need", "timeline"), "Rated so far: 75 %."),
    ],
)
def test_the_scorecard_says_how_much_is_rated_of_the_side_with_less(
    service: Running, ana: httpx.Client, question_set: str, rated: tuple[str, ...], shown: str
) -> None:
    link = {"source": "test.rated", "external_id": "-".join([question_set, *rated])}
    sent = {"question_set": question_set, "ratings": dict.fromkeys(rated, 4)}
    session = ok(service.client.post("/v1/qualify", json=link | sent))
    assert shown in ana.get(f"/prospects/{session['prospect_id']}").text


@pytest.mark.one_database
def test_a_qualification_by_keyboard(service: Running, open_page: Open, session: dict) -> None:
    page = open_page(f"/sessions/{session['session_id']}")
    first, second, *_ = questions(service)
    page.locator("details.q[open] summary").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(f"details.q[open]#{second}").wait_for()
    assert ratings(service, session) == {first: 3}
    expect(page.locator(f"#{second} > summary")).to_be_focused()


def test_a_qualification_without_scripts(service: Running, ana: httpx.Client, session: dict) -> None:
    place = f"/sessions/{session['session_id']}"
    asked = questions(service)
    where = place
    for key in asked:
        page = ana.get(where).text
        form = page.split(f'data-question="{key}"')[1].split("</form>")[0]
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        where = led_to(ana.post(f"{place}/answers", data=fields | {"answer": "4"}))
    assert where == f"{place}?question=decision"
    led_to(submit(ana, where, f"{place}/decision", decision="nurture", revisit_on="2031-01-01"))
    assert stored(service, session)["decision"]["revisit_on"] == "2031-01-01"
    assert set(ratings(service, session)) == set(asked)
    led_to(submit(ana, f"{place}?question=outcome", f"{place}/outcome", outcome="lost", reason="price"))
    assert stored(service, session)["outcome"]["reason"] == "price"


def test_an_unknown_answer_is_not_counted_as_answered(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    """The range is still open, although the interview has nothing more to ask."""
    place = f"/sessions/{session['session_id']}"
    asked = questions(service)
    count = len(asked)
    sent = {"not_applicable": asked[0], "unknown": asked[1]}
    answers = [{"question": key, "state": state} for state, key in sent.items()]
    answers += [{"question": key, "rating": 5} for key in asked[2:]]
    ok(service.client.patch(f"/v1{place}/answers", json={"answers": answers, "actor": NAME}))
    overall, first_step, *others = re.findall(r"\d+ of \d+ answered[^<]*", ana.get(place).text)
    assert overall.strip() == f"{count - 1} of {count} answered, 1 unknown"
    assert re.fullmatch(r"(\d+) of \d+ answered, 1 unknown", first_step)
    assert all("unknown" not in one for one in others)
    again = {"question": asked[1], "rating": 3}
    ok(service.client.patch(f"/v1{place}/answers", json={"answers": [again], "actor": NAME}))
    page = ana.get(place).text
    assert f"{count} of {count} answered</p>" in page


def test_a_day_to_revisit_in_the_past_is_refused_and_what_was_entered_is_kept(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    form = f"{place}?question=decision"
    today = datetime.now(UTC).date()
    typed = {"decision": "nurture", "match": "unsure", "reason": "After the <budget> round"}
    past = str(today - timedelta(days=2))
    refused = submit(ana, form, f"{place}/decision", **typed, revisit_on=past)
    assert (refused.status_code, stored(service, session)["decision"]) == (422, None)
    field = refused.text.split('<label for="revisit_on">')[1].split("</form>")[0]
    assert "This day is in the past, so the decision was not recorded." in field
    assert f'autofocus aria-invalid="true" aria-describedby="revisit-error" value="{past}"' in field
    assert "After the &lt;budget&gt; round</textarea>" in refused.text
    for name in ("decision", "match"):
        assert re.findall(rf'name="{name}" value="(\w+)"[^>]* checked', refused.text) == [typed[name]]
    led_to(submit(ana, form, f"{place}/decision", **typed, revisit_on=str(today)))
    assert stored(service, session)["decision"]["revisit_on"] == str(today)


@pytest.mark.one_database
def test_answers_without_a_network_arrive_once(service: Running, open_page: Open, session: dict) -> None:
    """All 28 questions of the method, those after the decision included, and the tab is closed meanwhile."""
    new = {"prospect_id": session["prospect_id"], "question_set": "qualifying-a-sale"}
    session = ok(service.client.post("/v1/sessions", json=new), 201)
    place = f"/sessions/{session['session_id']}"
    decision = {"decision": "pursue", "actor": NAME, "revision": 1}
    ok(service.client.post(f"/v1{place}/decision", json=decision))
    page = open_page(place, viewport={"width": 320, "height": 640})
    page.context.set_offline(True)
    asked = [answer(page, 1 + number % 5, following=number < 27) for number in range(28)]
    assert len(set(asked)) == 28
    expect(page.locator("#offline b")).to_have_text("28")
    assert ratings(service, session) == {}
    context = page.context
    page.close()
    context.set_offline(False)
    page = open_page(place, context=context)
    page.get_by_text("28 of 28 answered").wait_for()
    expect(page.locator("#offline")).to_be_hidden()
    assert ratings(service, session) == {key: 1 + number % 5 for number, key in enumerate(asked)}
    history = ok(service.client.get(f"/v1{place}/history"))["revisions"]
    assert len(history) == 2 + 28


@pytest.mark.one_database
def test_two_people_see_each_others_answers(service: Running, open_page: Open, session: dict) -> None:
    place = f"/sessions/{session['session_id']}"
    first, second, third, *_ = questions(service)
    hers, his = open_page(place), open_page(f"{place}?question={third}", actor="Ben Berg")
    answer(hers, 5)
    his.locator(f"#{first} > summary small", has_text="Rated 5").wait_for()
    answer(his, 1)
    hers.locator(f"#{third} > summary small", has_text="Rated 1").wait_for()
    answer(hers, 2)
    assert ratings(service, session) == {first: 5, second: 2, third: 1}
    actors = {one["question"]: one["actor"] for one in stored(service, session)["answers"]}
    assert actors == {first: NAME, second: NAME, third: "Ben Berg"}


def test_an_old_form_does_not_overwrite_a_newer_answer(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    key = questions(service)[0]
    old = form_fields(ana.get(place).text, key)
    ok(service.client.patch(f"/v1{place}/answers", json={"ratings": {key: 5}, "actor": "Ben"}))
    refused = ana.post(f"{place}/answers", data=old | {"answer": "1", "text": "my note"})
    assert (refused.status_code, "my note" in refused.text) == (412, True)
    assert "The current answer is “Rated 5”, by Ben. Save again to replace it." in refused.text
    assert ratings(service, session) == {key: 5}
    # The page that said so has the newest revision, so that saving again is a decision.
    again = form_fields(refused.text, key)
    led_to(ana.post(f"{place}/answers", data=again | {"answer": "1"}))
    assert ratings(service, session) == {key: 1}


def test_a_double_click_answers_once(service: Running, ana: httpx.Client, session: dict) -> None:
    place = f"/sessions/{session['session_id']}"
    fields = form_fields(ana.get(place).text, questions(service)[0]) | {"answer": "4"}
    first = led_to(ana.post(f"{place}/answers", data=fields))
    assert led_to(ana.post(f"{place}/answers", data=fields)) == first
    assert len(ok(service.client.get(f"/v1{place}/history"))["revisions"]) == 2


def test_a_session_that_was_closed_meanwhile_says_so(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    fields = form_fields(ana.get(place).text, questions(service)[0])
    ok(service.client.post(f"/v1{place}/outcome", json={"outcome": "won"}))
    refused = ana.post(f"{place}/answers", data=fields | {"answer": "4", "text": "kept"})
    assert (refused.status_code, "kept" in refused.text) == (409, True)
    assert "This session is closed." in refused.text


def test_what_is_missing_in_a_form_is_said(service: Running, ana: httpx.Client, session: dict) -> None:
    place = f"/sessions/{session['session_id']}"
    fields = form_fields(ana.get(place).text, questions(service)[0])
    empty = ana.post(f"{place}/answers", data=fields)
    assert (empty.status_code, "Choose a rating" in empty.text) == (422, True)
    wrong = ana.post(f"{place}/answers", data=fields | {"answer": "9"})
    assert wrong.status_code == 422
    reason = {"answer": "not_applicable", "text": "They have none.", "evidence": "fact"}
    led_to(ana.post(f"{place}/answers", data=fields | reason))
    (kept,) = stored(service, session)["answers"]
    assert (kept["state"], kept["text"], kept["evidence"]) == ("not_applicable", "They have none.", "fact")
    fields = form_fields(ana.get(f"{place}?question={kept['question']}").text, kept["question"])
    led_to(ana.post(f"{place}/answers", data=fields | {"answer": "open"}))
    assert [one["state"] for one in stored(service, session)["answers"]] == ["open"]


@pytest.mark.one_database
def test_the_scorecard_prints_to_one_page(service: Running, open_page: Open) -> None:
    ratings = {
        "trigger": 4,
        "requirements": 2,
        "current_challenges": 5,
        "goal": 3,
        "budget": 1,
        "timeline": 2,
    }
    answers = [{"question": key, "rating": value, "actor": NAME} for key, value in ratings.items()]
    session = ok(
        service.client.post(
            "/v1/qualify",
            json={"source": "print", "external_id": "1", "name": "Acme " * 20, "answers": answers},
        )
    )
    page = open_page(f"/prospects/{session['prospect_id']}")
    printed = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_a_refused_decision_is_shown_with_its_reason(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    old = fields_of(ana.get(f"{place}?question=decision").text, f"{place}/decision")
    ok(service.client.patch(f"/v1{place}/answers", json={"ratings": {questions(service)[0]: 5}}))
    refused = ana.post(f"{place}/decision", data=old | {"decision": "nurture", "reason": "my note"})
    assert (refused.status_code, "my note" in refused.text) == (412, True)
    assert stored(service, session)["decision"] is None


@pytest.mark.parametrize("answer", ["other", "-", "--5", "²", "3.0", "9" * 30])
def test_an_answer_that_no_form_has_is_refused(
    service: Running, ana: httpx.Client, session: dict, answer: str
) -> None:
    place = f"/sessions/{session['session_id']}"
    fields = form_fields(ana.get(place).text, questions(service)[0])
    assert ana.post(f"{place}/answers", data=fields | {"answer": answer}).status_code == 422
    assert ana.post(f"{place}/answers", data=fields | {"question": "decision"}).status_code == 422


def test_a_text_that_no_database_stores_is_refused(
    service: Running, ana: httpx.Client, session: dict
) -> None:
    place = f"/sessions/{session['session_id']}"
    fields = form_fields(ana.get(place).text, questions(service)[0]) | {"answer": "4", "text": "a\0b"}
    assert ana.post(f"{place}/answers", data=fields).status_code == 400
    assert ana.post(f"{place}/answers", data=dict.fromkeys(map(str, range(1001)), "x")).status_code == 400
    assert ratings(service, session) == {}


def test_a_reader_has_nothing_to_save(service: Running, browse: Browse, session: dict) -> None:
    place = f"/sessions/{session['session_id']}"
    reader, writer = (browse(key_with(service, *scopes)["key"]) for scopes in (["read"], ["read", "write"]))
    for part in ("", "?question=decision", "?question=outcome"):
        main = [one.get(place + part).text.split("<main")[1] for one in (reader, writer)]
        assert ["<button>" in text for text in main] == [False, True]
