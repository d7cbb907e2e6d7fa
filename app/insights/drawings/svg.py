"""Writes pictures as SVG documents.

A picture has to be readable alone: in a page, as a file, in print and in dark mode. An SVG that a page shows
as an image cannot use the style sheet of the page, and many programs that show SVG ignore style sheets. So
every element has its colours for a light background as attributes. The style sheet of the document only
changes them for dark mode and for forced colours.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import Final, Literal

Colour = Literal["paper", "ink", "muted", "grid", "data", "data_soft", "contrast", "contrast_soft"]
Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]

# Texts have a contrast of at least 4.5 to 1 and marks one of at least 3 to 1, on paper and on soft areas.
# Blue and orange differ in every kind of colour blindness. Without colours, filled and hollow marks differ.
LIGHT: Final[dict[Colour, str]] = {
    "paper": "#ffffff",
    "ink": "#1b1f24",
    "muted": "#525a64",
    "grid": "#d5dae0",
    "data": "#0a5cad",
    "data_soft": "#d3e5f7",
    "contrast": "#b34700",
    "contrast_soft": "#fbe4d2",
}
DARK: Final[dict[Colour, str]] = {
    "paper": "#14181d",
    "ink": "#eceff2",
    "muted": "#a9b3be",
    "grid": "#39424d",
    "data": "#6fb5f7",
    "data_soft": "#1d3a56",
    "contrast": "#f6a261",
    "contrast_soft": "#4a2e17",
}
# The names are those of CSS. An area has the colour of the paper: its edge is drawn as a line.
FORCED: Final[dict[Colour, str]] = {
    "paper": "Canvas",
    "ink": "CanvasText",
    "muted": "CanvasText",
    "grid": "GrayText",
    "data": "LinkText",
    "data_soft": "Canvas",
    "contrast": "CanvasText",
    "contrast_soft": "Canvas",
}
FONT_SIZE = 13.0
SMALL_SIZE = 11.5
FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif"
# What XML 1.0 does not allow in a document, not even escaped.
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Around a text whose direction is not known: its direction then does not reorder the text beside it.
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


def _colour_rules(colours: dict[Colour, str]) -> str:
    return "".join(
        f".f-{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}" for name, colour in colours.items()
    )


STYLE: Final = (
    "svg{max-width:100%;height:auto}"
    f"@media screen and (prefers-color-scheme:dark){{{_colour_rules(DARK)}}}"
    f"@media (forced-colors:active){{{_colour_rules(FORCED)}}}"
)


def isolated(name: str) -> str:
    """Return a name for the middle of a sentence, where its direction cannot reorder the sentence."""
    return name if name.isascii() else f"{FIRST_STRONG_ISOLATE}{name}{POP_ISOLATE}"


def _escaped(text: str) -> str:
    return escape(NOT_XML.sub("\ufffd", text))


def _number(value: float) -> str:
    """Return a coordinate with at most one decimal, which is finer than a screen shows."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Paint:
    """How a shape looks. `dash` is a pattern of SVG, such as "4 3"."""

    fill: Colour | None = None
    stroke: Colour | None = None
    width: float = 1
    dash: str = ""

    def attributes(self) -> str:
        """Return the attributes for a light background, and the classes that the style sheet changes."""
        classes = [f"f-{self.fill}"] if self.fill else []
        written = f' fill="{LIGHT[self.fill]}"' if self.fill else ' fill="none"'
        if self.stroke:
            classes.append(f"s-{self.stroke}")
            written += f' stroke="{LIGHT[self.stroke]}" stroke-width="{_number(self.width)}"'
        if self.dash:
            written += f' stroke-dasharray="{self.dash}"'
        return f'{written} class="{" ".join(classes)}"'


@dataclass(frozen=True, slots=True)
class Lettering:
    """How a text looks. `anchor` is the part of the text that is at its coordinates."""

    size: float = FONT_SIZE
    colour: Colour = "ink"
    anchor: Anchor = "start"
    bold: bool = False
    upwards: bool = False


class Canvas:
    """The shapes and texts of one picture. Coordinates are CSS pixels from the top left corner."""

    def __init__(self, width: float) -> None:
        """Begin an empty picture of this width."""
        self.width = width
        self._parts: list[str] = []

    def line(self, start: Point, end: Point, paint: Paint, tooltip: str = "") -> None:
        """Draw a straight line. A tooltip is what a browser shows when a person points at the shape."""
        (x1, y1), (x2, y2) = start, end
        self._shape("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2}, paint, tooltip)

    def rect(self, corner: Point, width: float, height: float, paint: Paint, tooltip: str = "") -> None:
        """Draw a rectangle from its top left corner."""
        x, y = corner
        self._shape("rect", {"x": x, "y": y, "width": width, "height": height}, paint, tooltip)

    def circle(self, centre: Point, radius: float, paint: Paint, tooltip: str = "") -> None:
        """Draw a circle."""
        self._shape("circle", {"cx": centre[0], "cy": centre[1], "r": radius}, paint, tooltip)

    def polyline(self, points: Iterable[Point], paint: Paint) -> None:
        """Draw a line through the points."""
        self._path("polyline", points, paint)

    def polygon(self, points: Iterable[Point], paint: Paint, tooltip: str = "") -> None:
        """Draw a closed shape with these corners."""
        self._path("polygon", points, paint, tooltip)

    def text(self, at: Point, text: str, lettering: Lettering = Lettering()) -> None:  # frozen
        """Write one line of text, with its baseline at these coordinates."""
        x, y = _number(at[0]), _number(at[1])
        attributes = f'x="{x}" y="{y}" font-size="{_number(lettering.size)}"'
        if lettering.anchor != "start":
            attributes += f' text-anchor="{lettering.anchor}"'
        if lettering.bold:
            attributes += ' font-weight="600"'
        if lettering.upwards:
            attributes += f' transform="rotate(-90 {x} {y})"'
        paint = Paint(lettering.colour).attributes()
        self._parts.append(f"<text {attributes}{paint}>{_escaped(text)}</text>")

    def document(self, height: float, name: str, title: str, description: str) -> str:
        """Return the picture as an SVG document.

        Screen readers speak the title and the description in place of the shapes. `name` distinguishes the
        ids of pictures that a page contains as elements.
        """
        width, height = ceil(self.width), ceil(height)
        size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        names = f'role="img" aria-labelledby="{name}-title" aria-describedby="{name}-description"'
        lines = (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {names} xml:lang="en" font-family="{FONT}">',
            f'<title id="{name}-title">{_escaped(title)}</title>',
            f'<desc id="{name}-description">{_escaped(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect width="{width}" height="{height}"{Paint("paper").attributes()}/>',
            *self._parts,
            "</svg>\n",
        )
        return "\n".join(lines)

    def _shape(self, element: str, geometry: dict[str, float], paint: Paint, tooltip: str) -> None:
        attributes = " ".join(f'{name}="{_number(value)}"' for name, value in geometry.items())
        self._add(element, attributes, paint, tooltip)

    def _path(self, element: str, points: Iterable[Point], paint: Paint, tooltip: str = "") -> None:
        places = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        self._add(element, f'points="{places}"', paint, tooltip)

    def _add(self, element: str, attributes: str, paint: Paint, tooltip: str) -> None:
        content = f"><title>{_escaped(tooltip)}</title></{element}>" if tooltip else "/>"
        self._parts.append(f"<{element} {attributes}{paint.attributes()}{content}")
