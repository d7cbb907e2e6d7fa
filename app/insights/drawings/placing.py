"""Finds places for labels where they cover nothing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from app.insights.drawings.svg import Anchor, Point

# Boxes are looked up by squares of this many pixels.
SQUARE = 40
LETTER_HEIGHT = 0.75


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether the two rectangles have an area in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def contains(self, other: "Box") -> bool:
        """Whether the other rectangle is inside this one."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


class Place(NamedTuple):
    """Where a label goes: its baseline, the part of it that is there, and the box that it fills."""

    at: Point
    anchor: Anchor
    box: Box


class LabelPlaces:
    """The places that are still free within an area."""

    def __init__(self, area: Box, taken: Iterable[Box]) -> None:
        """Begin with the boxes that no label may cover."""
        self._area = area
        self._taken: dict[tuple[int, int], list[Box]] = defaultdict(list)
        for box in taken:
            self._take(box)

    def find(self, mark: Box, width: float, size: float) -> Place | None:
        """Return a free place beside a mark for a label of this width and font size, and take it."""
        for place in _beside(mark, width, size):
            if self._area.contains(place.box) and not self._is_taken(place.box):
                self._take(place.box)
                return place
        return None

    def _is_taken(self, box: Box) -> bool:
        return any(box.overlaps(other) for square in _squares(box) for other in self._taken[square])

    def _take(self, box: Box) -> None:
        for square in _squares(box):
            self._taken[square].append(box)


def _squares(box: Box) -> Iterator[tuple[int, int]]:
    for column in range(int(box.left // SQUARE), int(box.right // SQUARE) + 1):
        for row in range(int(box.top // SQUARE), int(box.bottom // SQUARE) + 1):
            yield column, row


def _beside(mark: Box, width: float, size: float) -> Iterator[Place]:
    """Yield the places around a mark, the best first: right, left, above, below, then the corners."""
    middle_x, middle_y = (mark.left + mark.right) / 2, (mark.top + mark.bottom) / 2
    level = middle_y + size * LETTER_HEIGHT / 2
    above, below = mark.top - 3, mark.bottom + size * LETTER_HEIGHT + 3
    places: tuple[tuple[float, float, Anchor], ...] = (
        (mark.right + 3, level, "start"),
        (mark.left - 3, level, "end"),
        (middle_x, above, "middle"),
        (middle_x, below, "middle"),
        (mark.right, above, "start"),
        (mark.right, below, "start"),
        (mark.left, above, "end"),
        (mark.left, below, "end"),
    )
    for x, baseline, anchor in places:
        left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
        box = Box(left, baseline - size * LETTER_HEIGHT - 1, left + width, baseline + size * 0.25)
        yield Place((x, baseline), anchor, box)
