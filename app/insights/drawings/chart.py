"""The parts that every picture has: heading, scales, axes, marks with intervals, and legend."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from app.insights.drawings.figures import Interval, Words
from app.insights.drawings.lettering import text_width, wrapped
from app.insights.drawings.svg import SMALL_SIZE, Canvas, Lettering, Paint
from app.insights.words import percent

MIN_WIDTH, DEFAULT_WIDTH, MAX_WIDTH = 280, 640, 1600
MARGIN = 16.0
# Room for "100 %" at the left of a plot.
PERCENT_ROOM = 48.0
LINE_HEIGHT = 1.4
TITLE_SIZE = 16.0
CAP = 4.0

TITLE = Lettering(TITLE_SIZE, bold=True)
SMALL = Lettering(SMALL_SIZE)
QUIET = Lettering(SMALL_SIZE, "muted")
GRID: Final = Paint(stroke="grid")
AXIS: Final = Paint(stroke="muted")
SOLID: Final = Paint("data", "data", 1.5)
HOLLOW: Final = Paint("paper", "data", 1.5)
DATA_LINE: Final = Paint(stroke="data", width=2)
WHISKER: Final = Paint(stroke="data", width=1.5)
DATA_AREA: Final = Paint("data_soft")
DATA_EDGE: Final = Paint(stroke="data", dash="1 3")
REFERENCE: Final = Paint(stroke="contrast", width=1.5, dash="7 6")
# Draws the sign of a legend entry: it gets the canvas, and the left end and the middle of the place for it.
Sign = Callable[[Canvas, float, float], None]
SIGN_WIDTH = 26.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Places the values from `low` to `high` between two coordinates, and values outside at the edge."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the coordinate of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def plot_height(width: float) -> float:
    """Return how high a plot of a picture of this width is, in pixels."""
    return min(max(0.55 * width, 210.0), 380.0)


def draw_lines(
    canvas: Canvas, lines: Sequence[str], top: float, lettering: Lettering, left: float = MARGIN
) -> float:
    """Write lines below each other, and return where they end."""
    for line in lines:
        canvas.text((left, top + lettering.size), line, lettering)
        top += LINE_HEIGHT * lettering.size
    return top


def draw_heading(canvas: Canvas, words: Words) -> float:
    """Write the title, what the picture is drawn from, and its message. Return where they end."""
    room = canvas.width - 2 * MARGIN
    top = draw_lines(canvas, wrapped(words.title, TITLE_SIZE, room, bold=True, most=3), MARGIN - 4, TITLE)
    top = draw_lines(canvas, wrapped(words.subject, SMALL_SIZE, room, most=3), top, QUIET)
    return draw_lines(canvas, wrapped(words.message, SMALL_SIZE, room), top + 4, SMALL) + 14


def draw_legend(canvas: Canvas, entries: Sequence[tuple[Sign, str]], top: float) -> float:
    """Draw the signs with their meanings, side by side where there is room. Return where they end."""
    left, right = MARGIN, canvas.width - MARGIN
    line_height = SMALL_SIZE * LINE_HEIGHT
    for sign, meaning in entries:
        width = SIGN_WIDTH + 6 + text_width(meaning, SMALL_SIZE)
        if left > MARGIN and left + width > right:
            left, top = MARGIN, top + line_height + 2
        sign(canvas, left, top + line_height / 2)
        lines = wrapped(meaning, SMALL_SIZE, right - left - SIGN_WIDTH - 6, most=3)
        end = draw_lines(canvas, lines, top, SMALL, left + SIGN_WIDTH + 6)
        top = end - line_height
        left += width + 18
    return top + line_height + MARGIN / 2


def draw_percent_axis(canvas: Canvas, y: Scale, left: float, right: float) -> None:
    """Draw horizontal lines with percentages at their left ends."""
    step = 0.2 if abs(y.end - y.start) > 150 else 0.25
    ticks = [step * number for number in range(round(y.low / step), round(y.high / step) + 1)]
    for tick in ticks:
        canvas.line((left, y.at(tick)), (right, y.at(tick)), AXIS if tick == 0 else GRID)
        at = (left - 6, y.at(tick) + SMALL_SIZE * 0.35)
        canvas.text(at, percent(tick), Lettering(SMALL_SIZE, "muted", "end"))


def draw_ticks(canvas: Canvas, ticks: Sequence[tuple[float, str]], top: float, *, right: float) -> None:
    """Write labels centred below an axis. A label that would touch the one before is left out."""
    free_from = 0.0
    for x, label in ticks:
        half = text_width(label, SMALL_SIZE) / 2
        centre = min(x, right - half)
        if centre - half < free_from:
            continue
        canvas.text((centre, top + SMALL_SIZE), label, Lettering(SMALL_SIZE, "muted", "middle"))
        free_from = centre + half + 8


def draw_axis_title(canvas: Canvas, title: str, top: float, left: float, right: float) -> float:
    """Write what an axis shows, centred below it. Return where the text ends."""
    lines = wrapped(title, SMALL_SIZE, right - left, most=2)
    return draw_lines(canvas, lines, top, Lettering(SMALL_SIZE, anchor="middle"), (left + right) / 2)


def draw_rate(canvas: Canvas, x: float, y: Scale, rate: Interval, tooltip: str, paint: Paint = SOLID) -> None:
    """Draw an estimate as a point, with its interval as a vertical line with caps."""
    low, high = y.at(rate.low), y.at(rate.high)
    canvas.line((x, low), (x, high), WHISKER)
    for end in (low, high):
        canvas.line((x - CAP, end), (x + CAP, end), WHISKER)
    canvas.circle((x, y.at(rate.estimate)), 5, paint, tooltip)


def point_sign(paint: Paint = SOLID) -> Sign:
    """Return the sign of a point with its interval."""

    def draw(canvas: Canvas, left: float, middle: float) -> None:
        x = left + SIGN_WIDTH / 2
        canvas.line((x, middle - 7), (x, middle + 7), WHISKER)
        canvas.circle((x, middle), 4.5, paint)

    return draw


def line_sign(paint: Paint, area: Paint | None = None) -> Sign:
    """Return the sign of a line, with an area around it if it has one."""

    def draw(canvas: Canvas, left: float, middle: float) -> None:
        if area:
            canvas.rect((left, middle - 6), SIGN_WIDTH, 12, area)
        canvas.line((left, middle), (left + SIGN_WIDTH, middle), paint)

    return draw


def box_sign(paint: Paint) -> Sign:
    """Return the sign of a bar."""

    def draw(canvas: Canvas, left: float, middle: float) -> None:
        canvas.rect((left + 4, middle - 5), SIGN_WIDTH - 8, 10, paint)

    return draw


def nothing_drawn(words: Words, width: float, name: str) -> str:
    """Return the picture of a report without figures: its words in a frame."""
    canvas = Canvas(width)
    end = draw_heading(canvas, words)
    canvas.rect((0.5, 0.5), width - 1, end - 1, GRID)
    return canvas.document(end, name, words.title, described(words, []))


def described(words: Words, sentences: Sequence[str]) -> str:
    """Return the description of a picture for people who cannot see it: its words and all its figures."""
    return " ".join([f"{words.subject}.", words.message, *sentences])
