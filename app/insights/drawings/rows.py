"""Pictures with one row for each thing: its label, its mark on a common scale, and its figures."""

from collections.abc import Sequence
from typing import NamedTuple

from app.insights.drawings.chart import MARGIN
from app.insights.drawings.lettering import shortened, text_width
from app.insights.drawings.svg import FONT_SIZE, SMALL_SIZE, Canvas, Lettering, isolated

GAP = 14.0
MIN_PLOT = 180.0
# A long label is shortened to this share of the width.
MAX_LABEL_SHARE = 0.36
LINE, MARK_HEIGHT = 18.0, 26.0


class RowText(NamedTuple):
    """The texts of one row."""

    label: str
    figures: str


class Rows:
    """Where the rows of a picture are.

    In a wide picture, the label is at the left of the plot and the figures are at its right. In a narrow
    picture, they are above it: in one line or, if they are too long for that, in two.
    """

    def __init__(self, texts: Sequence[RowText], width: float, top: float) -> None:
        """Find the places for these rows, from `top` on."""
        label_room = max((text_width(text.label, FONT_SIZE) for text in texts), default=0)
        label_room = min(label_room, MAX_LABEL_SHARE * width)
        figures_room = max((text_width(text.figures, SMALL_SIZE) for text in texts), default=0)
        left, right = MARGIN + label_room + GAP, width - MARGIN - figures_room - GAP
        if right - left >= MIN_PLOT:
            self._lines = 0
        else:
            self._lines = 1 if left + figures_room <= width - MARGIN else 2
            left, right = MARGIN, width - MARGIN
        self.left, self.right, self.top = left, right, top
        self._texts = texts
        self._width = width
        self._pitch = MARK_HEIGHT + self._lines * LINE

    @property
    def bottom(self) -> float:
        """Where the last row ends."""
        return self.top + len(self._texts) * self._pitch

    def middle(self, number: int) -> float:
        """Return the middle of the mark of a row."""
        return self.top + (number + 1) * self._pitch - MARK_HEIGHT / 2

    def write(self, canvas: Canvas, number: int) -> None:
        """Write the label and the figures of a row."""
        text = self._texts[number]
        figures_width = text_width(text.figures, SMALL_SIZE)
        last = self.middle(number) + (FONT_SIZE * 0.35 if self._lines == 0 else -MARK_HEIGHT / 2 - 1)
        first = last - LINE if self._lines == 2 else last
        room = {
            0: self.left - GAP - MARGIN,
            1: self._width - 2 * MARGIN - GAP - figures_width,
            2: self._width - 2 * MARGIN,
        }[self._lines]
        canvas.text((MARGIN, first), isolated(shortened(text.label, FONT_SIZE, room)))
        if self._lines == 2:
            canvas.text((MARGIN, last), text.figures, Lettering(SMALL_SIZE))
        else:
            canvas.text((self._width - MARGIN, last), text.figures, Lettering(SMALL_SIZE, anchor="end"))
