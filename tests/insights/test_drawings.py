"""Pictures as documents: well-formed, complete in words, inside their frame, and readable in every mode."""

import random
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from xml.etree import ElementTree as ET

import pytest

from app.insights.drawings.accounts import Account, Axis, Cell, Cells, Portfolio, Position
from app.insights.drawings.bands import draw_bands
from app.insights.drawings.curve import Concentration, SharePoint, SizeClass, draw_concentration
from app.insights.drawings.figures import Count, Interval, Words, percent_interval, ratio
from app.insights.drawings.forest import QuestionRow, draw_forest
from app.insights.drawings.lettering import shortened, text_width, wrapped
from app.insights.drawings.matrix import draw_portfolio
from app.insights.drawings.placing import Box
from app.insights.drawings.reliability import CurvePoint, Reliability, ScoreBand, draw_reliability
from app.insights.drawings.svg import DARK, FORCED, LIGHT, STYLE
from app.insights.drawings.trend import Trend, draw_trend

SVG = "{http://www.w3.org/2000/svg}"
WIDTHS = (280, 320, 640, 1600)
HOSTILE = '</title><script>alert("x")</script>&amp; ]]> \x00\x1b\ud800\ufffe\u202e'
NAMES = (
    *(
        "Acme",
        "a" * 255,
        "W" * 255,
        "Müller & Söhne",
        HOSTILE,
        "حلول النقل (ش.م.م) 12",
        "e\u0301" * 127,
        "日本" * 100,
    ),
)
WORDS = Words("Win rate by score", "champ@2 · 31 won, 39 lost", "Deals that score higher win more often.")
Drawing = Callable[[float], str]


def count(label: str, won: int, lost: int) -> Count:
    rate = won / (won + lost) if won + lost else None
    return Count(label, won, lost, None if rate is None else Interval(rate, rate * 0.7, 0.3 + rate * 0.7))


def band(low: int, won: int, lost: int) -> ScoreBand:
    one = count(f"{low} to {low + 20}", won, lost)
    return ScoreBand(one.label, won, lost, one.rate, low, low + 20, low + 13)


BANDS = [band(0, 0, 3), band(20, 2, 8), band(40, 0, 0), band(60, 12, 4), band(80, 17, 24)]
CURVE = [
    CurvePoint(score, Interval(score / 100, score / 120, 0.2 + score / 125)) for score in range(0, 101, 5)
]
QUESTIONS = [
    QuestionRow("budget", Interval(0.741, 0.62, 0.88), matters=True, remark=""),
    QuestionRow("timeline", Interval(0.4996, 0.4, 0.6), matters=False, remark=""),
    *(QuestionRow(name, None, matters=False, remark="too few answers") for name in NAMES),
]
PERIODS = [count(f"2026-{month:02}", month, 13 - month) for month in range(1, 13)]
CONCENTRATION = Concentration(
    WORDS,
    "annual_revenue",
    [SharePoint(0, 0), SharePoint(0.2, 0.61), SharePoint(0.5, 0.95), SharePoint(1, 1)],
    [
        SizeClass("A", 41, SharePoint(0.3, 0.8)),
        SizeClass("B", 1234, SharePoint(0.5, 0.95)),
        SizeClass("C", 7, SharePoint(1, 1)),
    ],
    0.61,
    0.57,
)
CELLS = Cells(
    Cell("withdraw", 1, 0), Cell("manage for cash", 22, 0), Cell("maintain", 333, 4), Cell("invest", 0, 5)
)


def portfolio(accounts: list[Account]) -> Portfolio:
    return Portfolio(
        WORDS, Axis("How well we fit together", 50), Axis("What it is worth", 50), CELLS, accounts
    )


def drawn_account(rng: random.Random, number: int) -> Account:
    def position() -> Position:
        middle, margin = rng.uniform(0, 100), rng.choice((0, 0, 0, 15))
        return Position(middle, max(0, middle - margin), min(100, middle + margin))

    return Account(
        NAMES[number] if number < len(NAMES) else f"Harbour Works {number}", position(), position()
    )


def accounts(number: int) -> list[Account]:
    rng = random.Random(number)
    return [drawn_account(rng, i) for i in range(number)]


NO_SCORE = Position(None, 0, 100)
DRAWINGS: dict[str, Drawing] = {
    "reliability": lambda width: draw_reliability(
        Reliability(WORDS, BANDS, count("knocked out", 5, 6), Interval(0.44, 0.33, 0.56), CURVE), width
    ),
    "reliability of one deal": lambda width: draw_reliability(
        Reliability(WORDS, [band(40, 1, 0)], None, Interval(1, 0.2, 1), []), width
    ),
    "reliability of none": lambda width: draw_reliability(Reliability(WORDS, [], None, None, []), width),
    "bands": lambda width: draw_bands(WORDS, [count("knocked out", 5, 6), *BANDS], width),
    "bands with names": lambda width: draw_bands(WORDS, [count(name, 10**6, 10**6) for name in NAMES], width),
    "bands of none": lambda width: draw_bands(WORDS, [count("0 to 20", 0, 0)], width),
    "forest": lambda width: draw_forest(WORDS, QUESTIONS, width),
    "long forest": lambda width: draw_forest(WORDS, QUESTIONS * 20, width),
    "forest of none": lambda width: draw_forest(WORDS, [], width),
    "trend": lambda width: draw_trend(Trend(WORDS, PERIODS, Interval(0.5, 0.4, 0.6)), width),
    "long trend": lambda width: draw_trend(
        Trend(
            WORDS, [count(f"{month}", month % 7, month % 5) for month in range(300)], Interval(0.5, 0.4, 0.6)
        ),
        width,
    ),
    "trend of none": lambda width: draw_trend(Trend(WORDS, [], None), width),
    "concentration": lambda width: draw_concentration(CONCENTRATION, width),
    "concentration with a loss": lambda width: draw_concentration(
        Concentration(
            WORDS, HOSTILE, [SharePoint(0, 0), SharePoint(0.5, 1.8), SharePoint(1, 1)], [], None, None
        ),
        width,
    ),
    "concentration of none": lambda width: draw_concentration(
        Concentration(WORDS, "annual_revenue", [], [], None, None), width
    ),
    "portfolio of 5": lambda width: draw_portfolio(portfolio(accounts(5)), width),
    "portfolio of 50": lambda width: draw_portfolio(portfolio(accounts(50)), width),
    "portfolio of 5000": lambda width: draw_portfolio(portfolio(accounts(5000)), width),
    "portfolio in one place": lambda width: draw_portfolio(
        portfolio([Account("A", NO_SCORE, NO_SCORE)] * 30), width
    ),
    "portfolio cut at its edge": lambda width: draw_portfolio(
        Portfolio(WORDS, Axis("Together", 1), Axis("Worth", 99), CELLS, accounts(20)), width
    ),
    "portfolio of none": lambda width: draw_portfolio(portfolio([]), width),
    "hostile words": lambda width: draw_bands(Words(*NAMES[3:6]), BANDS, width),
}


def parsed(document: str) -> ET.Element:
    return ET.fromstring(document)


def words(picture: ET.Element) -> str:
    return "\n".join(picture.itertext())


def text_boxes(picture: ET.Element) -> Iterator[tuple[str, Box]]:
    """The texts that are not turned, with about the room that they take."""
    for text in picture.iter(f"{SVG}text"):
        if "transform" in text.attrib:
            continue
        x, y, size = (float(text.attrib[name]) for name in ("x", "y", "font-size"))
        content = text.text or ""
        width = text_width(content, size, bold="font-weight" in text.attrib)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[text.get("text-anchor", "start")]
        yield content, Box(left, y - 0.7 * size, left + width, y + 0.2 * size)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_picture_says_what_it_is_and_runs_nothing(name: str) -> None:
    picture = parsed(DRAWINGS[name](640))
    assert picture.tag == f"{SVG}svg"
    assert picture.get("role") == "img"
    title, description = picture[0], picture[1]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert picture.get("aria-labelledby") == title.get("id")
    assert picture.get("aria-describedby") == description.get("id")
    assert title.text
    assert len(description.text or "") > 30
    shapes = {"svg", "title", "desc", "style", "line", "rect", "circle", "polyline", "polygon", "text"}
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= shapes
    assert [style.text for style in picture.iter(f"{SVG}style")] == [STYLE]
    assert not any(attribute.startswith("on") for element in picture.iter() for attribute in element.attrib)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", DRAWINGS)
def test_everything_is_inside_the_frame(name: str, width: int) -> None:
    picture = parsed(DRAWINGS[name](width))
    height = float(picture.attrib["height"])
    assert picture.attrib["viewBox"] == f"0 0 {width} {picture.attrib['height']}"
    coordinates = {
        "x": [
            float(element.attrib[at])
            for element in picture.iter()
            for at in ("x", "x1", "x2", "cx")
            if at in element.attrib
        ],
        "y": [
            float(element.attrib[at])
            for element in picture.iter()
            for at in ("y", "y1", "y2", "cy")
            if at in element.attrib
        ],
    }
    for points in (
        element.attrib["points"].split() for element in picture.iter() if "points" in element.attrib
    ):
        coordinates["x"] += [float(point.split(",")[0]) for point in points]
        coordinates["y"] += [float(point.split(",")[1]) for point in points]
    assert 0 <= min(coordinates["x"]) <= max(coordinates["x"]) <= width
    assert 0 <= min(coordinates["y"]) <= max(coordinates["y"]) <= height
    outside = [text for text, box in text_boxes(picture) if box.left < -1 or box.right > width + 1]
    assert outside == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", DRAWINGS)
def test_no_text_covers_another(name: str, width: int) -> None:
    boxes = list(text_boxes(parsed(DRAWINGS[name](width))))
    covering = [
        (one, other) for (one, box), (other, second) in combinations(boxes, 2) if box.overlaps(second)
    ]
    assert covering == []


def test_every_figure_is_in_the_words() -> None:
    """A reader who cannot see the shapes, or cannot read them exactly, still gets every figure."""
    reliability = words(parsed(DRAWINGS["reliability"](640)))
    for figures in (
        "knocked out: 5 of 11 won, 45 % (",
        "0 to 20: 0 of 3 won, 0 % (",
        "20 to 40: 2 of 10 won, 20 % (",
    ):
        assert figures in reliability
    assert "40 to 60: none." in reliability
    assert "Overall: 44 % (33 % to 56 %) won." in reliability
    assert "Fitted probability at a score of 25: 25 % (21 % to 40 %)." in reliability
    bands = words(parsed(DRAWINGS["bands"](640)))
    assert "17 of 41, 41 % (29 % to 59 %)" in bands
    forest = words(parsed(DRAWINGS["forest"](640)))
    assert "budget: 0.74 (0.62 to 0.88)." in forest
    assert "timeline: 0.500 (0.40 to 0.60)." in forest
    assert "Acme: too few answers." in forest
    trend = words(parsed(DRAWINGS["trend"](640)))
    assert "2026-03: 3 of 13 won, 23 % (16 % to 46 %)." in trend
    concentration = words(parsed(DRAWINGS["concentration"](640)))
    for figures in (
        "Class B: 1,234 accounts.",
        "The top fifth of the accounts has 61 % of annual_revenue.",
        "0.57",
    ):
        assert figures in concentration
    matrix = words(parsed(DRAWINGS["portfolio of 50"](640)))
    assert (
        "How well we fit together high, What it is worth low (maintain): 333 accounts, perhaps 4 more."
        in matrix
    )
    assert "How well we fit together low, What it is worth low (withdraw): 1 account." in matrix


def test_an_account_whose_range_straddles_a_cut_is_a_bar() -> None:
    certain = Account("Certain", Position(30, 20, 40), Position(80, 70, 90))
    # A value at the cut is on its high side.
    at_cut = Account("At the cut", Position(60, 50, 70), Position(60, 60, 60))
    open_one = Account("Open", Position(60, 40, 80), Position(20, 20, 20))
    picture = parsed(draw_portfolio(portfolio([certain, at_cut, open_one]), 640))
    bars = [line for line in picture.iter(f"{SVG}line") if "s-contrast" in line.attrib["class"]]
    (bar,) = (line for line in bars if abs(float(line.attrib["x2"]) - float(line.attrib["x1"])) > 10)
    middle = next(circle for circle in picture.iter(f"{SVG}circle") if "Open" in "".join(circle.itertext()))
    assert bar.attrib["y1"] == bar.attrib["y2"] == middle.attrib["cy"]
    # The bar is symmetric about the estimate, like the range 40 to 80 about 60.
    assert float(bar.attrib["x1"]) + float(bar.attrib["x2"]) == pytest.approx(
        2 * float(middle.attrib["cx"]), abs=0.2
    )
    hollow = [circle for circle in picture.iter(f"{SVG}circle") if "f-paper" in circle.attrib["class"]]
    assert ["".join(circle.itertext()).split("\n")[0] for circle in hollow] == ["Open", ""]


def test_an_estimate_below_a_cut_is_not_rounded_up_to_it() -> None:
    account = Account("Nearly", Position(49.96, 49.96, 49.96), Position(80, 80, 80))
    assert "How well we fit together: 49\n" in words(parsed(draw_portfolio(portfolio([account]), 640)))


def test_many_accounts_share_marks_and_none_is_lost() -> None:
    picture = parsed(DRAWINGS["portfolio in one place"](640))
    assert [text for text, _ in text_boxes(picture) if text == "30"] == ["30"]
    assert len(DRAWINGS["portfolio of 5000"](640)) < 300_000


def test_figures_keep_the_side_of_one_half() -> None:
    assert [ratio(value) for value in (0.4996, 0.5, 0.5004, 0.72, 1)] == [
        "0.500",
        "0.50",
        "0.500",
        "0.72",
        "1.00",
    ]
    assert percent_interval(Interval(0.8, 0.626, 0.906)) == "80 % (63 % to 91 %)"


def test_a_text_that_is_too_long_ends_with_an_ellipsis() -> None:
    assert shortened("budget", 13, 200) == "budget"
    short = shortened("access to decision makers", 13, 100)
    assert short.endswith("…")
    assert text_width(short, 13) <= 100
    assert wrapped("one two three", 13, 60) == ["one two", "three"]
    assert wrapped("", 13, 60) == []
    lines = wrapped("word " * 100, 13, 60, most=3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    # A letter keeps its accents.
    assert not re.search(r"e…", shortened("e\u0301" * 50, 13, 77))


def luminance(colour: str) -> float:
    """As WCAG 2 defines the relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_texts_and_marks_have_enough_contrast(colours: dict[str, str]) -> None:
    """4.5 to 1 for texts and 3 to 1 for graphics, as WCAG 2.2 asks for (1.4.3 and 1.4.11)."""
    for text in ("ink", "muted"):
        assert contrast(colours[text], colours["paper"]) >= 4.5
    for mark in ("data", "contrast"):
        for ground in ("paper", "data_soft", "contrast_soft"):
            assert contrast(colours[mark], colours[ground]) >= 3


def test_every_mode_has_every_colour() -> None:
    assert LIGHT.keys() == DARK.keys() == FORCED.keys()
    for name in LIGHT:
        assert STYLE.count(f".f-{name}{{") == STYLE.count(f".s-{name}{{") == 2
