"""The portfolio matrix: each account by its two dimensions, and the advice for each cell."""

from collections.abc import Sequence
from typing import Final

from app.insights.drawings.accounts import (
    MAX_RADIUS,
    RADIUS,
    Axis,
    Cell,
    Mark,
    Portfolio,
    Position,
    is_uncertain,
    marks_of,
    ranges_of,
)
from app.insights.drawings.chart import (
    AXIS,
    CAP,
    LINE_HEIGHT,
    MARGIN,
    QUIET,
    Scale,
    Sign,
    described,
    draw_axis_title,
    draw_heading,
    draw_legend,
    draw_lines,
    draw_ticks,
    nothing_drawn,
)
from app.insights.drawings.figures import counted_accounts
from app.insights.drawings.lettering import shortened, text_width, wrapped
from app.insights.drawings.placing import Box, LabelPlaces
from app.insights.drawings.svg import SMALL_SIZE, Canvas, Colour, Lettering, Paint, isolated
from app.scoring import listed, rounded

NAME: Final = "portfolio"
# With more uncertain accounts, their ranges would hide everything else.
MAX_RANGES = 40
MAX_LABELS = 150
MIN_LABEL_ROOM, MAX_LABEL_SHARE = 110.0, 0.28
MAX_NAMES_IN_LABEL, MAX_NAMES_IN_TOOLTIP = 3, 12
CAPTION_GAP = 8.0
TICK_WIDTH = 34.0
CERTAIN: Final = Paint("data", "paper", 1)
UNCERTAIN: Final = Paint("paper", "contrast", 1.75)
RANGE: Final = Paint(stroke="contrast", width=1.25)
BOLD_SMALL: Final = Lettering(SMALL_SIZE, bold=True)


def draw_portfolio(figures: Portfolio, width: float) -> str:
    """Return the matrix as an SVG document of this width in pixels."""
    if not figures.accounts:
        return nothing_drawn(figures.words, width, NAME)
    canvas = Canvas(width)
    top = draw_heading(canvas, figures.words)
    left, right = MARGIN + 2 * LINE_HEIGHT * SMALL_SIZE, width - MARGIN
    x = Scale(0, 100, left + MAX_RADIUS, right - MAX_RADIUS)
    above = _caption_height((figures.cells.low_high, figures.cells.high_high), x, figures.x.cut)
    below = _caption_height((figures.cells.low_low, figures.cells.high_low), x, figures.x.cut)
    plot = Box(left, top + above, right, top + above + min(max(0.62 * width, 260.0), 520.0))
    y = Scale(0, 100, plot.bottom - MAX_RADIUS, plot.top + MAX_RADIUS)
    _draw_cells(canvas, figures, x, y, Box(left, top, right, plot.bottom + below))
    marks = marks_of(figures, x, y)
    uncertain = [account for account in figures.accounts if is_uncertain(account, figures)]
    ranges = ranges_of(uncertain, figures, x, y) if len(uncertain) <= MAX_RANGES else []
    _draw_ranges(canvas, ranges)
    for mark in marks:
        _draw_mark(canvas, mark, figures)
    places = LabelPlaces(plot, _taken(figures, marks, ranges, x, y))
    named = _draw_labels(canvas, places, marks)
    end = _draw_axes(canvas, figures, x, y, plot.bottom + below)
    end = draw_legend(canvas, _legend(len(uncertain), len(figures.accounts)), end + 8)
    end = _draw_note(canvas, named, len(figures.accounts), end)
    return canvas.document(end, NAME, figures.words.title, described(figures.words, _sentences(figures)))


def _half_rooms(x: Scale, cut: float) -> tuple[float, float]:
    """Return how wide the captions of the left and the right cells may be."""
    beside = MAX_RADIUS - 2 * CAPTION_GAP
    return x.at(cut) - x.start + beside, x.end - x.at(cut) + beside


def _caption(cell: Cell, room: float) -> tuple[list[str], list[str]]:
    advice = wrapped(cell.heading(), SMALL_SIZE, room, bold=True, most=3)
    return advice, wrapped(cell.counted(), SMALL_SIZE, room, most=2)


def _caption_height(pair: tuple[Cell, Cell], x: Scale, cut: float) -> float:
    captions = [_caption(cell, room) for cell, room in zip(pair, _half_rooms(x, cut), strict=True)]
    lines = max(len(advice) + len(count) for advice, count in captions)
    return lines * LINE_HEIGHT * SMALL_SIZE + CAPTION_GAP


def _draw_cells(canvas: Canvas, figures: Portfolio, x: Scale, y: Scale, frame: Box) -> None:
    """Draw the frame, the two cuts, and in each corner the caption of its cell."""
    canvas.rect((frame.left, frame.top), frame.right - frame.left, frame.bottom - frame.top, AXIS)
    cut_x, cut_y = x.at(figures.x.cut), y.at(figures.y.cut)
    canvas.line((cut_x, frame.top), (cut_x, frame.bottom), AXIS)
    canvas.line((frame.left, cut_y), (frame.right, cut_y), AXIS)
    cells = figures.cells
    rooms = _half_rooms(x, figures.x.cut)
    for pair, is_top in (((cells.low_high, cells.high_high), True), ((cells.low_low, cells.high_low), False)):
        for cell, room, left in zip(pair, rooms, (frame.left, cut_x), strict=True):
            advice, count = _caption(cell, room)
            height = (len(advice) + len(count)) * LINE_HEIGHT * SMALL_SIZE
            top = frame.top + CAPTION_GAP / 2 if is_top else frame.bottom - height - CAPTION_GAP / 2
            end = draw_lines(canvas, advice, top, BOLD_SMALL, left + CAPTION_GAP)
            draw_lines(canvas, count, end, QUIET, left + CAPTION_GAP)


def _draw_ranges(canvas: Canvas, ranges: Sequence[Box]) -> None:
    for box in ranges:
        canvas.line((box.left, box.top), (box.right, box.bottom), RANGE)
        across_x, across_y = (0, CAP) if box.top == box.bottom else (CAP, 0)
        for x, y in ((box.left, box.top), (box.right, box.bottom)):
            canvas.line((x - across_x, y - across_y), (x + across_x, y + across_y), RANGE)


def _draw_mark(canvas: Canvas, mark: Mark, figures: Portfolio) -> None:
    if mark.uncertain:
        canvas.circle((mark.x, mark.y), mark.radius - UNCERTAIN.width / 2, UNCERTAIN, _tooltip(mark, figures))
    if mark.uncertain < len(mark.accounts):
        canvas.circle((mark.x, mark.y), mark.certain_radius, CERTAIN, _tooltip(mark, figures))
    count = f"{len(mark.accounts):,}"
    is_hollow = mark.uncertain == len(mark.accounts)
    room = 2 * (mark.radius if is_hollow else mark.certain_radius) - 4
    if len(mark.accounts) > 1 and text_width(count, SMALL_SIZE, bold=True) <= room:
        colour: Colour = "ink" if is_hollow else "paper"
        at = (mark.x, mark.y + SMALL_SIZE * 0.35)
        canvas.text(at, count, Lettering(SMALL_SIZE, colour, "middle", bold=True))


def _tooltip(mark: Mark, figures: Portfolio) -> str:
    if len(mark.accounts) == 1:
        account = mark.accounts[0]
        x, y = _range_text(account.x, figures.x), _range_text(account.y, figures.y)
        return f"{isolated(account.name)}\n{x}\n{y}"
    return listed([isolated(account.name) for account in mark.accounts], MAX_NAMES_IN_TOOLTIP)


def _range_text(position: Position, axis: Axis) -> str:
    low, high = rounded(position.low, axis.cuts), rounded(position.high, axis.cuts)
    return f"{axis.title}: {low}" if low == high else f"{axis.title}: {low} to {high}"


def _draw_labels(canvas: Canvas, places: LabelPlaces, marks: Sequence[Mark]) -> int:
    """Name the accounts where there is room, the highest first. Return how many have a name."""
    candidates = [mark for mark in marks if len(mark.accounts) <= MAX_NAMES_IN_LABEL]
    candidates.sort(key=lambda mark: mark.y - mark.x)
    room = max(MIN_LABEL_ROOM, MAX_LABEL_SHARE * canvas.width)
    named = 0
    for mark in candidates[:MAX_LABELS]:
        names = " / ".join(account.name for account in mark.accounts)
        label = shortened(names, SMALL_SIZE, room)
        place = places.find(mark.box, text_width(label, SMALL_SIZE), SMALL_SIZE)
        if place:
            canvas.text(place.at, isolated(label), Lettering(SMALL_SIZE, anchor=place.anchor))
            named += len(mark.accounts)
    return named


def _taken(figures: Portfolio, marks: Sequence[Mark], ranges: Sequence[Box], x: Scale, y: Scale) -> list[Box]:
    """Return what labels must not cover: the marks, the ranges and the two cuts."""
    cut_x, cut_y = x.at(figures.x.cut), y.at(figures.y.cut)
    cuts = [Box(cut_x, y.end, cut_x, y.start), Box(x.start, cut_y, x.end, cut_y)]
    lines = [Box(box.left - 1, box.top - 1, box.right + 1, box.bottom + 1) for box in (*ranges, *cuts)]
    return [*(mark.box for mark in marks), *lines]


def _ticks(scale: Scale, cut: int, room: float) -> list[tuple[float, str]]:
    """Return the cut and, if they are at least `room` away, the ends of a scale."""
    ends = [end for end in (0, 100) if abs(scale.at(end) - scale.at(cut)) >= room]
    return [(scale.at(tick), f"{tick}") for tick in sorted((*ends, cut))]


def _draw_axes(canvas: Canvas, figures: Portfolio, x: Scale, y: Scale, bottom: float) -> float:
    """Write the ends and the cut of both axes, and what they show. Return where the text ends."""
    draw_ticks(canvas, _ticks(x, figures.x.cut, TICK_WIDTH), bottom + 4, right=canvas.width)
    right = MARGIN + 2 * LINE_HEIGHT * SMALL_SIZE - 4
    for middle, tick in _ticks(y, figures.y.cut, LINE_HEIGHT * SMALL_SIZE):
        canvas.text((right, middle + SMALL_SIZE * 0.35), tick, Lettering(SMALL_SIZE, "muted", "end"))
    title = shortened(figures.y.title, SMALL_SIZE, y.start - y.end)
    at = (MARGIN + SMALL_SIZE - 4, (y.start + y.end) / 2)
    canvas.text(at, title, Lettering(SMALL_SIZE, anchor="middle", upwards=True))
    return draw_axis_title(canvas, figures.x.title, bottom + 22, MARGIN, canvas.width - MARGIN)


def _draw_note(canvas: Canvas, named: int, accounts: int, top: float) -> float:
    if named == accounts:
        return top
    are_named = f"{named:,} of {counted_accounts(accounts)} {'is' if named == 1 else 'are'} named here"
    note = f"{are_named if named else 'The accounts are not named here'}: the table lists all of them."
    return draw_lines(canvas, wrapped(note, SMALL_SIZE, canvas.width - 2 * MARGIN), top, QUIET) + MARGIN / 2


def _legend(uncertain: int, accounts: int) -> list[tuple[Sign, str]]:
    entries: list[tuple[Sign, str]] = []
    if uncertain < accounts:
        entries.append((_mark_sign(CERTAIN), "the cell is certain"))
    if uncertain:
        entries.append((_mark_sign(UNCERTAIN), "open questions can still change the cell"))
    return entries


def _mark_sign(paint: Paint) -> Sign:
    return lambda canvas, left, middle: canvas.circle((left + 13, middle), RADIUS, paint)


def _sentences(figures: Portfolio) -> list[str]:
    """Name each cell with its accounts, which are in it for certain."""
    x, y = figures.x, figures.y
    names = zip(("low", "low", "high", "high"), ("low", "high", "low", "high"), figures.cells, strict=True)
    return [
        f"{x.title} {side_x}, {y.title} {side_y} ({cell.advice}): {cell.counted()}."
        for side_x, side_y, cell in names
    ]
