"""Pictures of real reports, as the service sends them."""

import base64
import hashlib
import uuid
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import httpx
import pytest

from app.insights.pictures import (
    MAX_PERIODS,
    CalibrationPicture,
    PortfolioPicture,
    _periods,
    draw_calibration,
    draw_portfolio,
)
from app.insights.schemas import CalibrationOut, CalibrationPart, Estimate, Excluded, ScoreBand
from tests.api.calls import ok, qualify
from tests.conftest import Running
from tests.insights.test_drawings import SVG

pytestmark = pytest.mark.one_database

HOSTILE = "</title><script>alert(1)</script>"
NO_SCRIPTS = "default-src 'none'; style-src {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.fixture(scope="module")
def lot(service: Running) -> str:
    """Twelve won and twelve lost deals of prospects with this value of the attribute `lot`."""
    name = f"{HOSTILE} {uuid.uuid4()}"
    for number in range(24):
        won = number % 2 == 0
        link = {"source": "pictures", "external_id": f"{uuid.uuid4()}"}
        rating = 4 + number % 4 // 2 if won else 3 + number % 4 // 3
        ratings = dict.fromkeys(("budget", "authority", "need", "timeline"), rating)
        sent = {"question_set": "bant", "ratings": ratings, "attributes": {"lot": name, "size": 10 + number}}
        session = qualify(service.client, link, **sent)["session_id"]
        outcome = {"outcome": "won" if won else "lost", "closed_on": f"2026-0{1 + number % 6}-15"}
        ok(service.client.post(f"/v1/sessions/{session}/outcome", json=outcome))
    return name


ADDRESSES = (
    "calibration.svg?question_set=bant",
    "calibration.svg?question_set=bant&picture=bands",
    "questions.svg?question_set=bant",
    "concentration.svg?attribute=size",
    "portfolio.svg?question_set=key-account-selection",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_picture_is_an_svg_document_that_loads_and_runs_nothing(
    service: Running, lot: str, address: str
) -> None:
    url = httpx.URL(f"/v1/insights/{address}").copy_merge_params({"segment": f"lot:{lot}", "width": 320})
    response = service.client.get(url)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/svg+xml"
    assert response.headers["cache-control"] == "private, no-cache"
    picture = ET.fromstring(response.text)
    assert picture.attrib["width"] == "320"
    style = picture.findtext(f"{SVG}style") or ""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert response.headers["content-security-policy"] == NO_SCRIPTS.format(f"'sha256-{digest}'")
    assert f"lot: {HOSTILE}" in "".join(picture.itertext())
    assert "<script" not in response.text


def test_a_picture_says_the_same_as_the_report(service: Running, lot: str) -> None:
    query = {"question_set": "bant", "segment": f"lot:{lot}"}
    report = ok(service.client.get("/v1/insights/calibration", params=query))
    picture = service.client.get("/v1/insights/calibration.svg", params=query).text
    description = ET.fromstring(picture).findtext(f"{SVG}desc") or ""
    assert report["summary"] in description
    for band in report["bands"]:
        counts = f"{band['won']} of {band['n']} won" if band["n"] else "none"
        assert f"{band['label']}: {counts}" in description


@pytest.mark.parametrize("width", [279, 1601, "wide"])
def test_a_width_that_is_too_small_or_too_large_is_refused(client, width) -> None:
    response = client.get("/v1/insights/concentration.svg", params={"attribute": "size", "width": width})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/width"


def part(won: int, lost: int) -> CalibrationPart:
    rate = Estimate(estimate=0.5, low=0.3, high=0.7) if won + lost else None
    band = ScoreBand(
        label="60 to 80", from_score=60, to_score=80, knocked_out=False,
        n=won + lost, won=won, lost=lost, mean_score=None, win_rate=rate,
    )  # fmt: skip
    return CalibrationPart(
        summary=f"{won} won.", preliminary=True, n=won + lost, won=won, lost=lost, prospects=won + lost,
        closed_before_opening=0,        base_rate=rate, bands=[band], slope=None, curve=[],
        auc=None, brier=None, log_loss=None, time_split=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "shown"),
    [((3, 4), "sessions: 3 won, 4 lost"), ((0, 0), "sessions: 5 won, 6 lost · rated with hindsight")],
)
def test_hindsight_is_drawn_only_if_there_is_nothing_else(before: tuple[int, int], shown: str) -> None:
    excluded = Excluded(**dict.fromkeys(Excluded.model_fields, 0))
    report = CalibrationOut(
        **part(*before).model_dump(),
        question_set="bant@1",
        excluded=excluded,
        bounds=None,
        hindsight=part(5, 6),
    )
    query = CalibrationPicture(question_set="bant@1", hindsight="include", since="2026-01-31", assessor="Ana")
    assert f">bant@1 · since 2026-01-31 · Ana · {shown}<" in draw_calibration(report, query)


@pytest.mark.parametrize(
    ("period", "found", "all_of_them"),
    [
        ("month", ["2025-11", "2026-02"], ["2025-11", "2025-12", "2026-01", "2026-02"]),
        ("quarter", ["2025-Q3", "2026-Q1"], ["2025-Q3", "2025-Q4", "2026-Q1"]),
        ("year", ["2024", "2026"], ["2024", "2025", "2026"]),
        ("year", [], []),
    ],
)
def test_a_period_without_deals_has_its_place(period: str, found: list[str], all_of_them: list[str]) -> None:
    assert _periods(found, period) == all_of_them


def test_of_very_many_periods_the_last_ones_are_shown() -> None:
    months = _periods(["1999-01", "2026-04"], "month")
    assert (months[0], months[-1], len(months)) == ("2021-05", "2026-04", MAX_PERIODS)


def placed(name: str, place: str, x: tuple[float, float], y: tuple[float, float]) -> SimpleNamespace:
    x_tally, y_tally = (SimpleNamespace(estimate=ends[0], lowest=ends[0], highest=ends[1]) for ends in (x, y))
    return SimpleNamespace(
        account=SimpleNamespace(name=name), placement=SimpleNamespace(x=x_tally, y=y_tally), place=place
    )


def test_a_portfolio_shows_every_account_that_has_a_place() -> None:
    cells = [
        SimpleNamespace(cell=cell, advice=f"{cell}: and so on", accounts=0, possible=0)
        for cell in ("high_high", "high_low", "low_high", "low_low")
    ]
    report = SimpleNamespace(
        x=SimpleNamespace(title="Together"), y=SimpleNamespace(title="Worth"), cut_at=50,
        cells=cells, accounts=3, summary="3 accounts.",
        placed=[
            placed("Acme", "high_high", (80, 80), (90, 90)),
            placed("Blue", "unsettled", (40, 70), (20, 20)),
            placed("Nothing", "not_rated", (0, 100), (0, 100)),
        ],
    )  # fmt: skip
    query = PortfolioPicture(
        question_set="key-account-selection", since="2026-01-31", segment=["region:north"]
    )
    picture = draw_portfolio(report, query)
    assert "Acme\nTogether: 80\nWorth: 90" in picture
    assert "Blue\nTogether: 40 to 70\nWorth: 20" in picture
    assert "Nothing" not in picture
    assert ">key-account-selection · region: north · 3 accounts<" in picture
    # In the matrix, an advice has its first words only.
    assert picture.count("low_high: and so on") == 1
