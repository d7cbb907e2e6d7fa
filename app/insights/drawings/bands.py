"""The band chart: how many sessions were won and lost at each score."""

from collections.abc import Sequence
from typing import Final

from app.insights.drawings.chart import (
    HOLLOW,
    MARGIN,
    SOLID,
    Scale,
    box_sign,
    described,
    draw_heading,
    draw_legend,
    nothing_drawn,
)
from app.insights.drawings.figures import Count, Words, percent_interval
from app.insights.drawings.rows import Rows, RowText
from app.insights.drawings.svg import Canvas, Paint

NAME: Final = "bands"
THICKNESS = 14.0
BASELINE = Paint(stroke="muted")


def draw_bands(words: Words, bands: Sequence[Count], width: float) -> str:
    """Return the chart as an SVG document of this width in pixels, with a bar for each band."""
    most = max((band.total for band in bands), default=0)
    if most == 0:
        return nothing_drawn(words, width, NAME)
    canvas = Canvas(width)
    rows = Rows([RowText(band.label, _figures(band)) for band in bands], width, draw_heading(canvas, words))
    x = Scale(0, most, rows.left, rows.right)
    for number, band in enumerate(bands):
        middle = rows.middle(number)
        top = middle - THICKNESS / 2
        won, end = x.at(band.won), x.at(band.total)
        if band.lost:
            canvas.rect((won, top), end - won, THICKNESS, HOLLOW, f"{band.label}: {band.lost:,} lost")
        if band.won:
            canvas.rect((x.start, top), won - x.start, THICKNESS, SOLID, f"{band.label}: {band.won:,} won")
        canvas.line((x.start, middle - 10), (x.start, middle + 10), BASELINE)
        rows.write(canvas, number)
    end = draw_legend(
        canvas, [(box_sign(SOLID), "won"), (box_sign(HOLLOW), "lost")], rows.bottom + MARGIN / 2
    )
    sentences = [band.sentence() for band in bands]
    return canvas.document(end, NAME, words.title, described(words, sentences))


def _figures(band: Count) -> str:
    if band.rate is None:
        return "none"
    return f"{band.won:,} of {band.total:,}, {percent_interval(band.rate)}"
