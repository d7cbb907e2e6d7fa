"""Every page: its policy, what it shows of stored texts, its size, and the catalogue of its texts."""

import gzip
import re
from pathlib import Path

import httpx
import pytest

from app.pages.rendering import FOLDER, texts
from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, NewDatabase, Running, serving, settings_for
from tests.pages.conftest import NAME, led_to, submit
from tests.waiting import PATIENCE

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "שלום עולם {{ 7 * 7 }} {% raw %}",
    "w" * 255,
]


def qualified(service: Running, **fields: object) -> dict:
    return ok(service.client.post("/v1/qualify", json={"source": "pages", **fields}))


@pytest.fixture(params=range(len(HOSTILE)))
def stored(service: Running, request: pytest.FixtureRequest) -> tuple[str, dict]:
    text = HOSTILE[request.param]
    answers = [{"question": "trigger", "rating": 4, "text": text, "actor": text}]
    decision = {"decision": "pursue", "reason": text, "actor": text}
    return text, qualified(
        service, external_id=f"h{request.param}", name=text, deal=text, answers=answers, decision=decision
    )


def addresses(session: dict) -> list[str]:
    own = f"/sessions/{session['session_id']}"
    return [
        *("/", "/review?sort=newest", "/prospects", "/question-sets", "/question-sets/qualifying-a-sale@1"),
        *(f"/prospects/{session['prospect_id']}", own, f"{own}?question=decision", f"{own}?question=outcome"),
        f"{own}?question=trigger",
    ]


def test_stored_texts_are_shown_as_texts(ana: httpx.Client, stored: tuple[str, dict]) -> None:
    text, session = stored
    for address in addresses(session):
        response = ana.get(address)
        assert response.status_code == 200, address
        assert response.headers["content-security-policy"] == POLICY
        assert response.headers["cache-control"] == "no-store"
        scripts = re.findall(r"<script[^>]*>|<img[^>]*>|<[^>]* on\w+=|<[^>]* style=", response.text)
        assert [one for one in scripts if not one.startswith('<script src="/assets/')] == []
    shown = ana.get(f"/sessions/{session['session_id']}?question=trigger").text
    assert text not in shown or text in (HOSTILE[2], HOSTILE[3])


def test_every_text_of_the_catalogue_is_used_and_every_used_text_is_there() -> None:
    sources = [*(FOLDER / "templates").glob("*.html"), *FOLDER.glob("*.py")]
    used = {
        name
        for path in sources
        for name in re.findall(r"['\"]([a-z_]+\.[a-z_]*)['\"]", path.read_text("utf-8"))
        if not name.endswith((".html", ".css", ".js", ".svg", ".toml", ".yaml"))
    }
    families = {name for name in used if name.endswith((".", "_"))}
    known = set(texts())
    dynamic = {
        *(name for family in families for name in known if name.startswith(family)),
        # Named by a variable of the template: `'interview.' ~ value`.
        *(name for name in known if name.startswith(("page.", "interview.")) and _is_a_value(name)),
    }
    assert used - families - known - {"verdict.lowest"} == set()
    assert known - used - dynamic == set()


def _is_a_value(name: str) -> bool:
    word = name.partition(".")[2]
    templates = "".join(path.read_text("utf-8") for path in (FOLDER / "templates").glob("*.html"))
    return f"'{word}'" in templates or f"'{word.removesuffix('_help')}'" in templates


def test_the_first_view_of_the_interview_is_small(service: Running, ana: httpx.Client) -> None:
    session = qualified(service, external_id="small", name="Acme", ratings={"trigger": 4})
    html = ana.get(f"/sessions/{session['session_id']}").text
    loaded = re.findall(r'(?:href|src)="(/assets/[^"]+)"', html)
    assert [Path(one).name for one in loaded] == ["icon.svg", "page.css", "page.js"]
    sizes = [len(gzip.compress(ana.get(one).content, 6)) for one in loaded]
    assert sum(sizes) + len(gzip.compress(html.encode(), 6)) <= 14_000
    assert len(ana.get(loaded[2]).content) <= 5000


def test_pages_are_compressed_if_the_browser_wants_it(ana: httpx.Client) -> None:
    packed = ana.get("/review", headers={"Accept-Encoding": "gzip"})
    plain = ana.get("/review", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert packed.text.split("<main")[0] == plain.text.split("<main")[0]


def test_the_review_keeps_its_filters_in_the_address(service: Running, ana: httpx.Client) -> None:
    qualified(service, external_id="open", name="Openly open", ratings={"trigger": 4}, deal="pages-1")
    closed = {"outcome": "won"}
    qualified(service, external_id="closed", name="Clearly closed", deal="pages-1", outcome=closed)
    page = ana.get("/review?status=open&deal=pages-1&indication=&sort=name").text
    assert ("Openly open" in page, "Clearly closed" in page) == (True, False)
    assert '<option value="open" selected>' in page
    assert "/v1/sessions/export?format=xlsx&amp;deal=pages-1&amp;status=open&amp;sort=name" in page
    assert "Openly open" in ana.get("/v1/sessions?deal=pages-1&status=open&sort=name").text
    wrong = ana.get("/review?status=half-open")
    assert (wrong.status_code, "<p>Status: " in wrong.text) == (422, True)


def test_long_lists_have_pages(service: Running, ana: httpx.Client) -> None:
    for number in range(3):
        qualified(service, external_id=f"p{number}", name=f"Page {number}", deal="pages-2")
    first = ana.get("/review?deal=pages-2&limit=2&sort=newest").text
    address = re.search(r'rel="next" href="([^"]+)"', first)
    assert address
    second = ana.get(address[1].replace("&amp;", "&")).text
    assert (first.count("Page "), "Page 0" in second, 'rel="next"' in second) == (2, True, False)


def test_missing_things_are_said_on_a_page(ana: httpx.Client) -> None:
    nobody = "01890000-0000-7000-8000-000000000000"
    for address in (f"/prospects/{nobody}", f"/sessions/{nobody}", "/assets/1/other.css"):
        response = ana.get(address)
        assert (response.status_code, "<h1>" in response.text) == (404, True)
    for address in ("/sessions/none", "/question-sets/nobodys-set"):
        assert ana.get(address).status_code == 422


def test_a_prospect_is_found_created_and_led_to_its_interview(ana: httpx.Client) -> None:
    place = led_to(submit(ana, "/prospects", "/prospects", name="Harbour Works"))
    assert re.fullmatch(r"/sessions/[0-9a-f-]{36}", place)
    found = ana.get("/prospects?q=har+wor").text
    assert ("Harbour Works" in found, '<details class="panel" id="new">' in found) == (True, True)
    # Whoever finds nobody can create the prospect at once.
    nobody = ana.get("/prospects?q=nothing+like+it").text
    assert "No prospects found." in nobody
    assert '<details class="panel" id="new" open>' in nobody
    assert re.search(r'<input id="name" [^>]*value="nothing like it">', nobody)


def test_a_scorecard_leads_to_the_other_interviews_with_the_prospect(
    service: Running, ana: httpx.Client
) -> None:
    first = qualified(service, external_id="others", name="Two deals", deal="Boats", ratings={"trigger": 4})
    scorecard = f"/prospects/{first['prospect_id']}"
    assert "Other interviews" not in ana.get(scorecard).text
    # While an interview is open, another one can start with another set or for another deal.
    for fields in ({"deal": "Ropes"}, {"question_set": "meddpicc"}):
        assert led_to(submit(ana, scorecard, f"{scorecard}/sessions", **fields)).startswith("/sessions/")
    page = ana.get(f"{scorecard}?session={first['session_id']}").text
    listed = page.split("Other interviews with this prospect")[1].split("</section>")[0]
    links = re.findall(r'<a href="([^"]+)">', listed)
    assert (len(links), "Ropes" in listed, "MEDDPICC" in listed, "Boats" in listed) == (2, True, True, False)
    assert [ana.get(link).status_code for link in links] == [200, 200]
    assert first["session_id"] in ana.get(links[0]).text


def test_a_named_set_starts_although_several_are_meant_for_the_prospect(new_database: NewDatabase) -> None:
    with serving(settings_for(new_database())) as own:
        for key in ("one", "two"):
            draft = {"extends": "qualifying-a-sale@1", "for": {"segment": {"equals": "both"}}}
            address = f"/v1/question-sets/{key}/draft"
            saved = ok(own.client.put(address, json=draft | {"attributes": {"segment": "text"}}))
            headers = {"If-Match": f'"{saved["revision"]}"'}
            ok(own.client.post(f"{address}/publish", headers=headers), 201)
        new = {"name": "Both", "attributes": {"segment": "both"}}
        path = f"/prospects/{ok(own.client.post('/v1/prospects', json=new), 201)['id']}"
        with httpx.Client(base_url=own.url, timeout=PATIENCE, headers={"Origin": own.url}) as client:
            client.post("/sign-in", data={"key": ADMIN_KEY, "actor": NAME})
            assert submit(client, path, f"{path}/sessions").status_code == 409
            assert led_to(submit(client, path, f"{path}/sessions", question_set="one")).startswith(
                "/sessions/"
            )


REPORTS = ["calibration", "questions", "outcomes", "decisions", "assessors", "portfolio", "concentration"]


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_has_its_words_pictures_and_table(
    service: Running, ana: httpx.Client, report: str
) -> None:
    for number, outcome in enumerate(("won", "lost")):
        deal = {"external_id": f"{report}{number}", "name": "Acme", "attributes": {"annual_revenue": 5}}
        qualified(service, **deal, ratings={"trigger": 4})
        qualified(service, **deal, outcome={"outcome": outcome})
    address = f"/insights/{report}" + ("?attribute=annual_revenue" if report == "concentration" else "")
    page = ana.get(address)
    assert (page.status_code, '<p class="lead">' in page.text) == (200, True)
    assert not re.search(r"<bdi>-?[0-9]+\.[0-9]{5}", page.text)
    shown = re.findall(r'<img class="chart" src="([^"]+)"', page.text)
    assert len(shown) == {"calibration": 2, "decisions": 0, "assessors": 0}.get(report, 1)
    for source in shown:
        picture = ana.get(source.replace("&amp;", "&"))
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    table = re.search(r'href="(/v1/insights/[^"]+)" download', page.text)
    assert table
    assert ana.get(table[1].replace("&amp;", "&")).headers["content-type"].startswith("text/csv")


def test_a_deal_rated_with_hindsight_is_left_out_of_the_scores_alone(
    service: Running, ana: httpx.Client
) -> None:
    qualified(
        service, external_id="hindsight", name="Acme", ratings={"trigger": 4}, outcome={"outcome": "won"}
    )
    said = "recorded when the outcome was already known"
    assert said in ana.get("/insights/calibration").text
    assert said not in ana.get("/insights/outcomes").text


def test_a_concentration_needs_a_measure(ana: httpx.Client) -> None:
    assert 'value="annual_revenue_with_us"' in ana.get("/insights/concentration").text
    assert "Enter the currency" in ana.get("/insights/concentration?by=amount").text
    assert ana.get("/insights/nothing").status_code == 422
    assert ana.get("/insights/concentration?attribute=Annual%20Revenue").status_code == 422


def test_no_page_rounds_a_score_up_to_a_grade(
    service: Running, ana: httpx.Client, link: dict[str, str]
) -> None:
    """35 of 44 points are 79.5, which is below the grade A."""
    key = f"grades-{link['external_id']}"[:64]
    keys = [f"q{number}" for number in range(11)]
    asked = [{"key": one, "text": "How well?", "dimension": "all"} for one in keys]
    draft = {
        "title": "Grades",
        "combine": "weighted",
        "dimensions": [{"key": "all", "title": "All"}],
        "thresholds": {"fit_at": 60, "no_fit_below": 40},
        "grades": [{"at": at, "grade": grade} for at, grade in ((80, "A"), (60, "B"), (40, "C"), (0, "D"))],
        "steps": [{"key": "only", "title": "Only", "questions": asked}],
    }
    ok(service.client.put(f"/v1/question-sets/{key}/draft", json=draft))
    ok(service.client.post(f"/v1/question-sets/{key}/draft/publish", headers={"If-Match": '"1"'}), 201)
    ratings = dict.fromkeys(keys, 4) | {"q0": 5, "q1": 5}
    session = ok(service.client.post("/v1/qualify", json={**link, "question_set": key, "ratings": ratings}))
    assert "79 out of 100" in session["score"]["summary"]
    for address in (
        f"/review?question_set={key}",
        f"/prospects/{session['prospect_id']}",
        f"/sessions/{session['session_id']}",
    ):
        shown = re.sub(r"<[^>]+>", " ", ana.get(address).text)
        assert re.search(r"\b79\b", shown), address
        assert not re.search(r"\b80\b", shown), address
