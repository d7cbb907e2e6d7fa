"""The trend: the win rate of each period."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.insights.drawings.chart import (
    DATA_AREA,
    DATA_EDGE,
    DATA_LINE,
    MARGIN,
    PERCENT_ROOM,
    REFERENCE,
    Scale,
    Sign,
    described,
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
from app.insights.drawings.lettering import text_width
from app.insights.drawings.svg import SMALL_SIZE, Canvas, Lettering
from app.insights.words import percent

NAME: Final = "trend"
# With less room than this for each period, an area shows the intervals.
MIN_POINT_ROOM = 14.0


@dataclass(frozen=True, slots=True)
class Trend:
    """What the picture shows. The periods are in the order of time, without gaps."""

    words: Words
    periods: Sequence[Count]
    base_rate: Interval | None


def draw_trend(figures: Trend, width: float) -> str:
    """Return the trend as an SVG document of this width in pixels."""
    periods = figures.periods
    if figures.base_rate is None or not periods:
        return nothing_drawn(figures.words, width, NAME)
    canvas = Canvas(width)
    top = draw_heading(canvas, figures.words)
    left, right = PERCENT_ROOM, width - MARGIN
    room = (right - left) / len(periods)
    centres = [left + (number + 0.5) * room for number in range(len(periods))]
    y = Scale(0, 1, top + plot_height(width), top)
    draw_percent_axis(canvas, y, left, right)
    base_rate = y.at(figures.base_rate.estimate)
    if room < MIN_POINT_ROOM:
        _draw_area(canvas, periods, centres, y)
    canvas.line((left, base_rate), (right, base_rate), REFERENCE)
    _draw_lines(canvas, periods, centres, y)
    if room >= MIN_POINT_ROOM:
        for period, x in zip(periods, centres, strict=True):
            if period.rate:
                draw_rate(canvas, x, y, period.rate, period.sentence())
    draw_ticks(
        canvas,
        list(zip(centres, [period.label for period in periods], strict=True)),
        y.start + 4,
        right=width - 4,
    )
    end = _draw_counts(canvas, periods, centres, room, y.start + 22)
    end = draw_legend(canvas, _legend(figures, room), end + 8)
    sentences = [period.sentence() for period in periods]
    sentences.append(f"All periods: {percent_interval(figures.base_rate)} won.")
    return canvas.document(end, NAME, figures.words.title, described(figures.words, sentences))


def _runs(periods: Sequence[Count]) -> list[list[int]]:
    """Return the positions of periods with a rate, as runs without gaps."""
    runs: list[list[int]] = [[]]
    for number, period in enumerate(periods):
        if period.rate:
            runs[-1].append(number)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _draw_lines(canvas: Canvas, periods: Sequence[Count], centres: Sequence[float], y: Scale) -> None:
    """Connect the rates. A period without deals interrupts the line."""
    for run in _runs(periods):
        rates = [(centres[number], periods[number].rate) for number in run]
        canvas.polyline([(x, y.at(rate.estimate)) for x, rate in rates if rate], DATA_LINE)


def _draw_area(canvas: Canvas, periods: Sequence[Count], centres: Sequence[float], y: Scale) -> None:
    for run in _runs(periods):
        rates = [(centres[number], rate) for number in run if (rate := periods[number].rate)]
        low = [(x, y.at(rate.low)) for x, rate in rates]
        high = [(x, y.at(rate.high)) for x, rate in rates]
        canvas.polygon([*low, *reversed(high)], DATA_AREA)
        canvas.polyline(low, DATA_EDGE)
        canvas.polyline(high, DATA_EDGE)


def _draw_counts(
    canvas: Canvas, periods: Sequence[Count], centres: Sequence[float], room: float, top: float
) -> float:
    """Write the number of deals below each period, if all of them fit. Return where they end."""
    counts = [f"{period.total:,}" for period in periods]
    label = "deals"
    widest = max(text_width(count, SMALL_SIZE) for count in counts)
    if widest + 4 > room:
        return top
    canvas.text((PERCENT_ROOM - 6, top + SMALL_SIZE), label, Lettering(SMALL_SIZE, "muted", "end"))
    for x, count in zip(centres, counts, strict=True):
        canvas.text((x, top + SMALL_SIZE), count, Lettering(SMALL_SIZE, "ink", "middle"))
    return top + 18


def _legend(figures: Trend, room: float) -> list[tuple[Sign, str]]:
    entries: list[tuple[Sign, str]] = [
        (point_sign(), "win rate, with its 95 % interval")
        if room >= MIN_POINT_ROOM
        else (line_sign(DATA_LINE, DATA_AREA), "win rate, with its 95 % interval")
    ]
    if figures.base_rate:
        entries.append((line_sign(REFERENCE), f"all periods: {percent(figures.base_rate.estimate)} won"))
    return entries
