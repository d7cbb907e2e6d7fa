"""The concentration curve: which share of the whole the largest accounts have together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.insights.drawings.chart import (
    DATA_AREA,
    DATA_LINE,
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
    draw_ticks,
    line_sign,
    nothing_drawn,
    plot_height,
    point_sign,
)
from app.insights.drawings.figures import Words, counted_accounts, ratio
from app.insights.drawings.svg import SMALL_SIZE, Canvas, Lettering, Paint
from app.insights.words import percent

NAME: Final = "concentration"
TOP_FIFTH = 0.2
# More points than this show no more detail.
MAX_POINTS = 400
CLASS_NAME_ROOM = 8.0
CLASS_NAME: Final = Lettering(SMALL_SIZE, anchor="middle", bold=True)
CLASS_LIMIT: Final = Paint(stroke="muted", dash="2 3")
MARK: Final = Paint("paper", "data", 2)


class SharePoint(NamedTuple):
    """The share of the sum that the largest accounts have, up to this share of the accounts."""

    accounts: float
    amount: float


class SizeClass(NamedTuple):
    """One class, such as A: how many accounts it has, and where it ends on the curve."""

    name: str
    accounts: int
    end: SharePoint


@dataclass(frozen=True, slots=True)
class Concentration:
    """What the picture shows. The curve begins at (0, 0); `measure` is the name of the attribute."""

    words: Words
    measure: str
    curve: Sequence[SharePoint]
    classes: Sequence[SizeClass]
    top_fifth: float | None
    gini: float | None


def draw_concentration(figures: Concentration, width: float) -> str:
    """Return the curve as an SVG document of this width in pixels."""
    if len(figures.curve) < 2:
        return nothing_drawn(figures.words, width, NAME)
    canvas = Canvas(width)
    top = draw_heading(canvas, figures.words) + CLASS_NAME_ROOM
    left, right = PERCENT_ROOM, width - MARGIN - 8
    highest = max(1.0, *(point.amount for point in figures.curve))
    lowest = min(0.0, *(point.amount for point in figures.curve))
    x = Scale(0, 1, left, right)
    y = Scale(lowest, highest, top + plot_height(width), top)
    draw_percent_axis(canvas, y, left, right)
    points = [(x.at(point.accounts), y.at(point.amount)) for point in _thinned(figures.curve)]
    canvas.polygon([*points, (x.at(1), y.at(1)), (x.at(0), y.at(0))], DATA_AREA)
    _draw_classes(canvas, figures.classes, x, y)
    canvas.line((x.at(0), y.at(0)), (x.at(1), y.at(1)), REFERENCE)
    canvas.polyline(points, DATA_LINE)
    if figures.top_fifth is not None:
        canvas.circle((x.at(TOP_FIFTH), y.at(figures.top_fifth)), 5, MARK, _top_fifth(figures.top_fifth))
    draw_ticks(
        canvas, [(x.at(tick / 5), percent(tick / 5)) for tick in range(6)], y.start + 4, right=width - 4
    )
    end = draw_axis_title(
        canvas, "accounts, from the largest to the smallest", y.start + 22, MARGIN, width - MARGIN
    )
    end = draw_legend(canvas, _legend(figures), end + 8)
    return canvas.document(end, NAME, figures.words.title, described(figures.words, _sentences(figures)))


def _thinned(curve: Sequence[SharePoint]) -> list[SharePoint]:
    step = -(-len(curve) // MAX_POINTS)
    return [*curve[:-1:step], curve[-1]]


def _draw_classes(canvas: Canvas, classes: Sequence[SizeClass], x: Scale, y: Scale) -> None:
    """Draw a line where each class ends, and write its name if there is room."""
    begin = 0.0
    for one in classes:
        start, end = x.at(begin), x.at(one.end.accounts)
        if one.accounts and one.end.accounts < 1:
            canvas.line((end, y.start), (end, y.end), CLASS_LIMIT)
        if end - start >= 14:
            canvas.text(((start + end) / 2, y.end - 6), one.name, CLASS_NAME)
        begin = one.end.accounts


def _top_fifth(share: float) -> str:
    return f"the top fifth of the accounts: {percent(share)}"


def _legend(figures: Concentration) -> list[tuple[Sign, str]]:
    entries: list[tuple[Sign, str]] = [
        (line_sign(DATA_LINE, DATA_AREA), f"cumulative share of {figures.measure}"),
        (line_sign(REFERENCE), "all accounts equal"),
    ]
    if figures.top_fifth is not None:
        entries.append((point_sign(MARK), _top_fifth(figures.top_fifth)))
    entries += [(line_sign(CLASS_LIMIT), _class_text(one)) for one in figures.classes if one.accounts]
    return entries


def _class_text(one: SizeClass) -> str:
    return f"class {one.name}: {counted_accounts(one.accounts)}, up to {percent(one.end.amount)}"


def _sentences(figures: Concentration) -> list[str]:
    sentences = [f"Class {one.name}: {counted_accounts(one.accounts)}." for one in figures.classes]
    if figures.top_fifth is not None:
        sentences.append(
            f"The top fifth of the accounts has {percent(figures.top_fifth)} of {figures.measure}."
        )
    if figures.gini is not None:
        sentences.append(f"Gini coefficient: {ratio(figures.gini)}.")
    return sentences
