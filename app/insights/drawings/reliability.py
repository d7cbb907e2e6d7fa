"""The reliability diagram: how often sessions were won at each score, and the fitted probability."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.insights.drawings.chart import (
    DATA_AREA,
    DATA_EDGE,
    DATA_LINE,
    GRID,
    HOLLOW,
    MARGIN,
    PERCENT_ROOM,
    REFERENCE,
    Scale,
    Sign,
    described,
    draw_axis_title,
    draw_heading,
    draw_legend,
    draw_percent_axis,
    draw_rate,
    draw_ticks,
    line_sign,
    nothing_drawn,
    plot_height,
    point_sign,
)
from app.insights.drawings.figures import Count, Interval, Words, percent_interval
from app.insights.drawings.svg import Canvas
from app.insights.words import percent

NAME = "reliability"
KNOCKED_OUT_ROOM = 84.0
# A description names the fitted probability at about this many scores.
NAMED_SCORES = 5


@dataclass(frozen=True, slots=True)
class ScoreBand(Count):
    """The sessions with a score from `low` to `high`, and their mean score."""

    low: float
    high: float
    mean: float


class CurvePoint(NamedTuple):
    """The fitted probability at one score."""

    score: float
    probability: Interval


@dataclass(frozen=True, slots=True)
class Reliability:
    """What the diagram shows. `curve` is empty while there is no fitted probability."""

    words: Words
    bands: Sequence[ScoreBand]
    knocked_out: Count | None
    base_rate: Interval | None
    curve: Sequence[CurvePoint]


def draw_reliability(figures: Reliability, width: float) -> str:
    """Return the diagram as an SVG document of this width in pixels."""
    if figures.base_rate is None:
        return nothing_drawn(figures.words, width, NAME)
    canvas = Canvas(width)
    top = draw_heading(canvas, figures.words)
    bottom = top + plot_height(width)
    left, right = PERCENT_ROOM, width - MARGIN
    knocked_out = figures.knocked_out if figures.knocked_out and figures.knocked_out.rate else None
    x = Scale(0, 100, left + (KNOCKED_OUT_ROOM if knocked_out else 0), right - 6)
    y = Scale(0, 1, bottom, top)
    draw_percent_axis(canvas, y, left, right)
    limits = sorted({0, 100, *(limit for band in figures.bands for limit in (band.low, band.high))})
    for limit in limits:
        canvas.line((x.at(limit), top), (x.at(limit), bottom), GRID)
    _draw_curve(canvas, figures, x, y)
    canvas.line(
        (left, y.at(figures.base_rate.estimate)), (right, y.at(figures.base_rate.estimate)), REFERENCE
    )
    if knocked_out and knocked_out.rate:
        middle = left + KNOCKED_OUT_ROOM / 2 - 6
        draw_rate(canvas, middle, y, knocked_out.rate, knocked_out.sentence(), HOLLOW)
        draw_ticks(canvas, [(middle, "knocked out")], bottom + 4, right=right)
    for band in figures.bands:
        if band.rate:
            draw_rate(canvas, x.at(band.mean), y, band.rate, band.sentence())
    draw_ticks(canvas, [(x.at(limit), f"{limit:g}") for limit in limits], bottom + 4, right=width - 4)
    end = draw_axis_title(canvas, "score", bottom + 22, x.start, x.end)
    end = draw_legend(canvas, _legend(figures), end + 8)
    return canvas.document(end, NAME, figures.words.title, described(figures.words, _sentences(figures)))


def _draw_curve(canvas: Canvas, figures: Reliability, x: Scale, y: Scale) -> None:
    curve = figures.curve
    if not curve:
        return
    low = [(x.at(point.score), y.at(point.probability.low)) for point in curve]
    high = [(x.at(point.score), y.at(point.probability.high)) for point in curve]
    canvas.polygon([*low, *reversed(high)], DATA_AREA)
    canvas.polyline(low, DATA_EDGE)
    canvas.polyline(high, DATA_EDGE)
    canvas.polyline([(x.at(point.score), y.at(point.probability.estimate)) for point in curve], DATA_LINE)


def _legend(figures: Reliability) -> list[tuple[Sign, str]]:
    entries = [(point_sign(), "win rate of a band, with its 95 % interval")]
    if figures.curve:
        entries.append((line_sign(DATA_LINE, DATA_AREA), "fitted probability, with its 95 % interval"))
    if figures.base_rate:
        entries.append((line_sign(REFERENCE), f"overall: {percent(figures.base_rate.estimate)} won"))
    return entries


def _sentences(figures: Reliability) -> list[str]:
    sentences = [band.sentence() for band in figures.bands]
    if figures.knocked_out:
        sentences.insert(0, figures.knocked_out.sentence())
    if figures.base_rate:
        sentences.append(f"Overall: {percent_interval(figures.base_rate)} won.")
    step = max(1, (len(figures.curve) - 1) // (NAMED_SCORES - 1))
    return sentences + [
        f"Fitted probability at a score of {point.score:.0f}: {percent_interval(point.probability)}."
        for point in figures.curve[::step]
    ]
