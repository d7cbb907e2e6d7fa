"""The insights on the demo prospects: the list behind each point, readable tables, filters in the address."""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, NewDatabase, serving, settings_for
from tests.pages.conftest import NAME, led_to, submit
from tests.waiting import PATIENCE

REPORTS = ["calibration", "questions", "outcomes", "decisions", "assessors", "portfolio", "concentration"]


# tests/insights compares the reports on both databases.
pytestmark = pytest.mark.one_database


@pytest.fixture(scope="module")
def demo(new_database: NewDatabase) -> Iterator[httpx.Client]:
    """A browser at a service that has loaded the demo prospects with one click."""
    with serving(settings_for(new_database())) as service:
        headers = {"Origin": service.url}
        with httpx.Client(base_url=service.url, timeout=PATIENCE, headers=headers) as client:
            client.post("/sign-in", data={"key": ADMIN_KEY, "actor": NAME})
            assert led_to(submit(client, "/", "/demo")) == "/review"
            yield client


def links(html: str, pattern: str) -> list[tuple[str, str]]:
    """The addresses that match a pattern, with the texts of their links and the small text after each."""
    found = re.findall(rf'<a href="({pattern}[^"]*)"><bdi>(.*?)</bdi></a> <small>(\d+)</small>', html)
    return [(unescape(address), f"{unescape(text)}={count}") for address, text, count in found]


def twin(client: httpx.Client, html: str) -> dict:
    found = re.search(r'<details class="twin">.*?<a href="([^"]+)">', html, re.DOTALL)
    assert found
    return ok(client.get(unescape(found[1])))


def headings(html: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', html)]


def test_the_demo_shows_something_in_every_report(demo: httpx.Client) -> None:
    assert "Load the demo prospects" not in demo.get("/").text
    assert len(ok(demo.get("/v1/prospects?limit=200"))["items"]) == 104
    outcomes = ok(demo.get("/v1/insights/outcomes"))
    assert (outcomes["total"]["won"], outcomes["total"]["lost"]) == (36, 34)
    assert {one["currency"] for one in outcomes["total"]["amounts"]} == {"EUR"}
    for report in REPORTS:
        page = demo.get(f"/insights/{report}").text
        said = twin(demo, page)
        assert re.search(r"\d\d", said["summary"]), report
        assert said["summary"] in unescape(page)
    due = demo.get("/review?status=open&decision=nurture&sort=revisit_on").text
    assert due.count('class="due"') >= 2


@pytest.mark.parametrize("report", [one for one in REPORTS if one != "assessors"])
def test_the_list_behind_a_point_has_as_many_as_the_point_says(demo: httpx.Client, report: str) -> None:
    shown = links(demo.get(f"/insights/{report}").text, f"/insights/{report}/point")
    assert shown
    for address, text in shown[:12]:
        page = demo.get(address)
        assert page.status_code == 200, page.text
        behind = twin(demo, page.text)
        count = int(text.rpartition("=")[2])
        assert (behind["count"], len(behind["items"])) == (count, count)
        rows = re.findall(r'<tr id="s-([^"]+)">', page.text)
        assert rows == [one["session_id"] or one["prospect_id"] for one in behind["items"]]


def behind(client: httpx.Client, report: str, **query: str) -> list[dict]:
    items: list[dict] = ok(client.get(f"/v1/insights/{report}/point", params=query))["items"]
    return items


def test_the_deals_of_a_band_have_its_scores_and_its_outcomes(demo: httpx.Client) -> None:
    chosen = {"question_set": "qualifying-a-sale"}
    report = ok(demo.get("/v1/insights/calibration", params=chosen))
    for band in report["bands"]:
        items = behind(demo, "calibration", **chosen, point=band["label"])
        ended = Counter(one["outcome"] for one in items)
        assert (ended["won"], ended["lost"]) == (band["won"], band["lost"])
        if not band["knocked_out"]:
            assert all(band["from_score"] <= one["score"] <= band["to_score"] for one in items)


def test_the_deals_of_a_period_are_those_that_the_picture_counts(demo: httpx.Client) -> None:
    picture = demo.get("/v1/insights/outcomes.svg?period=month").text
    months = [
        (text, address)
        for address, text in links(demo.get("/insights/outcomes?period=month").text, "/insights/outcomes")
        if re.match(r"20\d\d-\d\d=", text)
    ]
    assert months
    described = unescape(re.sub(r"<[^>]+>", " ", picture))
    for text, _ in months:
        month, _, count = text.partition("=")
        items = behind(demo, "outcomes", point=f"month:{month}")
        ended = Counter(one["outcome"] for one in items)
        assert (ended.total(), set(ended) <= {"won", "lost"}) == (int(count), True)
        assert f" {month}: {ended['won']} of {count} won, " in described


def test_the_accounts_of_a_class_hold_its_share(demo: httpx.Client) -> None:
    chosen = {"attribute": "annual_revenue_with_us"}
    report = ok(demo.get("/v1/insights/concentration", params=chosen))
    for one in report["classes"]:
        amounts = [
            item["amount"] for item in behind(demo, "concentration", **chosen, point=one["class_name"])
        ]
        assert sum(amounts) / report["total"] == pytest.approx(one["share_of_total"])
        assert amounts == sorted(amounts, reverse=True)


def test_the_decisions_of_a_cell_are_those_of_its_sessions(demo: httpx.Client) -> None:
    for cell in ok(demo.get("/v1/insights/decisions"))["table"]:
        items = behind(demo, "decisions", point=f"{cell['indication'] or 'none'}:{cell['decision']}")
        assert (len(items), {one["decision"] for one in items}) == (cell["sessions"], {cell["decision"]})


@pytest.mark.parametrize("report", REPORTS)
def test_tables_are_readable(demo: httpx.Client, report: str) -> None:
    page = demo.get(f"/insights/{report}").text
    found = headings(page)
    assert found
    assert [one for one in found if "_" in one or one.endswith((" low", " high", " id"))] == []
    table = page[page.index("<tbody>") : page.index("</tbody>")]
    assert not re.search(r"<bdi>[a-z]+_[a-z_]+</bdi>", table)
    if "Win rate" in found:
        assert re.search(r"<bdi>\d+ % \((under )?\d+ % to (over )?\d+ %\)</bdi>", table)
    if report in ("portfolio", "concentration"):
        assert re.search(r'<a href="/prospects/[0-9a-f-]{36}"><bdi>[A-Z]\w+ \w+</bdi></a>', table)


@pytest.mark.parametrize(
    ("query", "what", "reason", "why"),
    [
        ("", "Accounts", "missing", "without a value"),
        ("?by=amount&currency=CHF", "Won deals", "other_currency", "in another currency"),
    ],
)
def test_what_the_concentration_leaves_out_is_said_once(
    demo: httpx.Client, query: str, what: str, reason: str, why: str
) -> None:
    page = demo.get(f"/insights/concentration{query}").text
    count = twin(demo, page)["excluded"][reason]
    assert count > 0
    assert re.findall("[^>]*left out[^<]*", page, re.IGNORECASE) == [f"{what} left out: {count} {why}."]


def test_the_filters_are_in_the_address_of_everything(demo: httpx.Client) -> None:
    address = (
        "/insights/calibration?segment=industry:retail&since=2020-01-01&segment=&assessor=&hindsight=include"
    )
    page = demo.get(address).text
    filtered = twin(demo, page)
    everything = ok(demo.get("/v1/insights/calibration?question_set=qualifying-a-sale"))
    assert 0 < filtered["n"] < everything["n"]
    assert filtered["hindsight"] is not None
    assert 'value="industry:retail"' in page
    counts = [int(text.rpartition("=")[2]) for _, text in links(page, "/insights/calibration/point")]
    assert sum(counts) == filtered["n"]
    for source in re.findall(r'src="([^"]+\.svg[^"]+)"', page):
        assert "segment=industry%3Aretail" in source
        assert demo.get(unescape(source)).status_code == 200
    amounts = demo.get("/insights/concentration?by=amount&currency=eur&since=2020-01-01").text
    assert twin(demo, amounts)["accounts"] == 36


def test_a_filter_that_a_point_does_not_have_is_refused(demo: httpx.Client) -> None:
    (address, _), *_ = links(demo.get("/insights/outcomes").text, "/insights/outcomes/point")
    assert demo.get(f"/v1{address}").status_code == 200
    for extra in ("by=amount", "by=attribute", "by=reason", "currency=EUR", "colour=red"):
        refused = demo.get(f"/v1{address}&{extra}")
        assert refused.status_code == 422, extra
        errors = [(one["where"], one["pointer"]) for one in refused.json()["errors"]]
        assert errors == [("query", f"/{extra.partition('=')[0]}")]
        assert demo.get(f"{address}&{extra}").status_code == 422


def test_an_unknown_point_is_refused(demo: httpx.Client) -> None:
    for address in (
        "calibration/point?question_set=qualifying-a-sale&point=20+to+30",
        "calibration/point?point=20+to+40",
        "outcomes/point?point=colour:red",
        "outcomes/point?point=reason:no_such_reason",
        "assessors/point?question_set=qualifying-a-sale&point=budget",
        "decisions/point?point=fit:pursue&currency=EUR",
    ):
        assert demo.get(f"/v1/insights/{address}").status_code == 422, address
        refused = demo.get(f"/insights/{address}")
        assert (refused.status_code, "<h1>" in refused.text) == (422, True)


@pytest.mark.parametrize(
    ("report", "counted", "drawn"),
    [
        ("calibration", "46 won and 42 lost sessions", "sessions: 46 won, 42 lost"),
        ("questions", "46 won and 42 lost sessions", None),
        ("outcomes", "36 won and 34 lost deals", "deals: 36 won, 34 lost"),
    ],
)
def test_texts_pictures_and_pages_say_whether_they_count_deals_or_sessions(
    demo: httpx.Client, report: str, counted: str, drawn: str | None
) -> None:
    """The demo has 36 won and 34 lost deals. Some were rated by two assessors, in a session each."""
    page = demo.get(f"/insights/{report}").text
    assert twin(demo, page)["summary"].startswith(counted)
    assert counted in page
    picture = re.search(r'<img class="chart" src="([^"]+)"', page)
    assert picture
    document = demo.get(unescape(picture[1])).text
    assert counted in document
    assert drawn is None or drawn in document
