"""The pictures of docs/insights.md, drawn from invented figures."""

from collections.abc import Iterator
from itertools import accumulate
from math import exp, sqrt

from app.insights.drawings.accounts import Account, Axis, Cell, Cells, Portfolio, Position
from app.insights.drawings.bands import draw_bands
from app.insights.drawings.curve import Concentration, SharePoint, SizeClass, draw_concentration
from app.insights.drawings.figures import Count, Interval, Words
from app.insights.drawings.forest import QuestionRow, draw_forest
from app.insights.drawings.matrix import draw_portfolio
from app.insights.drawings.reliability import CurvePoint, Reliability, ScoreBand, draw_reliability
from app.insights.drawings.trend import Trend, draw_trend

PICTURES_FOLDER = "docs/pictures"
WIDTH = 640
QUESTION_SET = "qualifying-a-sale@1"
SUBJECT = f"{QUESTION_SET} · sessions: 77 won, 68 lost"
CALIBRATION = Words(
    "Win rate by score",
    SUBJECT,
    "77 won and 68 lost sessions: preliminary until there are 100 of each. Deals that score higher win more "
    "often: 24 % at a score of 40, and 75 % at 70.",
)
# The low end of each band, its mean score, and the sessions won and lost.
BANDS = ((0, 15, 0, 9), (20, 33, 4, 18), (40, 51, 18, 20), (60, 70, 32, 11), (80, 86, 23, 2))
KNOCKED_OUT = (0, 8)
# The curve: the log odds of winning at a score are SLOPE · (score − EVEN).
SLOPE, EVEN = 0.075, 55.4
QUESTIONS = (
    ("budget", 0.74, 0.65, 0.81),
    ("decision makers", 0.69, 0.6, 0.77),
    ("timeline", 0.58, 0.48, 0.67),
    ("goal", 0.52, 0.42, 0.61),
    ("past success", 0.47, 0.37, 0.57),
)
QUARTERS = (
    ("2025-Q1", 9, 11),
    ("2025-Q2", 14, 13),
    ("2025-Q3", 16, 15),
    ("2025-Q4", 18, 14),
    ("2026-Q1", 20, 15),
)
# Name, and lowest, estimate and highest on each axis.
ACCOUNTS = (
    ("Acme Logistics", (78, 78, 78), (84, 84, 84)),
    ("Harbour Works", (60, 66, 74), (70, 75, 80)),
    ("Old Town Foods", (85, 85, 85), (31, 31, 31)),
    ("Blue Clinics", (72, 72, 72), (42, 44, 48)),
    ("Northern Freight", (22, 28, 36), (81, 81, 81)),
    ("United Energy", (12, 12, 12), (18, 22, 30)),
    ("Falcon Software", (38, 52, 68), (64, 64, 64)),
    ("Quick Partners", (40, 40, 40), (28, 46, 62)),
)
REVENUES = (900, 610, 420, 300, 210, 150, 120, 90, 70, 60, 50, 40, 30, 25, 20, 15, 10, 8, 5, 2)


def pictures() -> dict[str, str]:
    """Return the SVG documents by their paths."""
    bands = [*_score_bands()]
    knocked_out = _count("knocked out", *KNOCKED_OUT)
    drawn = {
        "reliability": draw_reliability(
            Reliability(CALIBRATION, bands, knocked_out, _wilson(77, 145), [*_curve()]), WIDTH
        ),
        "bands": draw_bands(CALIBRATION._replace(title="Sessions by score"), [knocked_out, *bands], WIDTH),
        "questions": _questions(),
        "trend": _trend(),
        "portfolio": _portfolio(),
        "concentration": _concentration(),
    }
    return {f"{PICTURES_FOLDER}/{name}.svg": document for name, document in drawn.items()}


def _wilson(won: int, deals: int) -> Interval:
    """Return the rate with the score interval of Wilson (1927)."""
    z, rate = 1.959964, won / deals
    centre, reach = rate + z * z / (2 * deals), z * sqrt(rate * (1 - rate) / deals + z * z / (4 * deals**2))
    return Interval(
        rate, *(min(max((centre + sign * reach) / (1 + z * z / deals), 0), 1) for sign in (-1, 1))
    )


def _count(label: str, won: int, lost: int) -> Count:
    return Count(label, won, lost, _wilson(won, won + lost))


def _score_bands() -> Iterator[ScoreBand]:
    for low, mean, won, lost in BANDS:
        yield ScoreBand(f"{low} to {low + 20}", won, lost, _wilson(won, won + lost), low, low + 20, mean)


def _curve() -> Iterator[CurvePoint]:
    for score in range(8, 97, 4):
        odds, error = SLOPE * (score - EVEN), sqrt(0.04 + (0.013 * (score - 56)) ** 2)
        ends = (1 / (1 + exp(-odds - shift)) for shift in (0, -1.96 * error, 1.96 * error))
        yield CurvePoint(score, Interval(*ends))


def _questions() -> str:
    rows = [QuestionRow(name, Interval(*auc), matters=auc[1] > 0.5, remark="") for name, *auc in QUESTIONS]
    rows.append(QuestionRow("data points", None, matters=False, remark="too few ratings"))
    message = "Won and lost sessions differ on two questions. On the others, the difference may be chance."
    return draw_forest(Words("Questions that matter", SUBJECT, message), rows, WIDTH)


def _trend() -> str:
    words = Words(
        "Win rate by quarter",
        f"{QUESTION_SET} · deals: 77 won, 68 lost",
        "77 won and 68 lost deals: a win rate of 53 % (45 % to 61 %).",
    )
    periods = [_count(*quarter) for quarter in QUARTERS]
    return draw_trend(Trend(words, periods, _wilson(77, 145)), WIDTH)


def _portfolio() -> str:
    accounts = [
        Account(name, *(Position(estimate, low, high) for low, estimate, high in axes))
        for name, *axes in ACCOUNTS
    ]
    cells = Cells(
        Cell("Withdraw", 1, 1), Cell("Manage for cash", 1, 1), Cell("Maintain", 2, 0), Cell("Invest", 2, 1)
    )
    words = Words(
        "Portfolio",
        "key-account-selection@1 · 8 accounts",
        "2 accounts are high on both, and 2 can still move to another cell, because questions are open.",
    )
    x, y = Axis("How well the two companies fit together", 50), Axis("What the account is worth to us", 50)
    return draw_portfolio(Portfolio(words, x, y, cells, accounts), WIDTH)


def _concentration() -> str:
    total, count = sum(REVENUES), len(REVENUES)
    sums = [one / total for one in accumulate(REVENUES)]
    curve = [SharePoint(0, 0), *(SharePoint(number / count, share) for number, share in enumerate(sums, 1))]
    ends = [
        next(number for number, point in enumerate(curve) if point.amount >= limit)
        for limit in (0.8, 0.95, 1)
    ]
    sizes = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    words = Words(
        "Concentration of annual revenue",
        f"{count} accounts",
        f"The largest fifth of the accounts holds {100 * sums[count // 5 - 1]:.0f} % of annual revenue.",
    )
    classes = [SizeClass(name, size, curve[end]) for name, size, end in zip("ABC", sizes, ends, strict=True)]
    gini = sum((2 * rank - count - 1) * value for rank, value in enumerate(reversed(REVENUES), 1)) / (
        count * total
    )
    return draw_concentration(
        Concentration(words, "annual_revenue", curve, classes, sums[count // 5 - 1], gini), WIDTH
    )
