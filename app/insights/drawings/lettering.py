"""How much room a text needs, and how to make it fit.

The service does not know the font of the reader. The widths are those of DejaVu Sans, which is wider than
most fonts, so that a text that fits here fits everywhere.
"""

import unicodedata
from functools import lru_cache

NARROW = frozenset("ijl.,:;'|!I ()[]/\u2009\u00a0")
MEDIUM_NARROW = frozenset('frtJ-"*')
WIDE = frozenset("mwMW@%—…QO")
NARROW_EM, MEDIUM_NARROW_EM, USUAL_EM, CAPITAL_EM, WIDE_EM = 0.34, 0.46, 0.61, 0.72, 1.0
BOLD_FACTOR = 1.1
ELLIPSIS = "…"
NO_WIDTH = frozenset({"Mn", "Me", "Cf", "Cc"})


@lru_cache(maxsize=1024)
def _character_em(character: str) -> float:
    if character in NARROW:
        return NARROW_EM
    if character in MEDIUM_NARROW:
        return MEDIUM_NARROW_EM
    if character in WIDE or unicodedata.east_asian_width(character) in "WF":
        return WIDE_EM
    category = unicodedata.category(character)
    if category in NO_WIDTH:
        return 0
    return CAPITAL_EM if category == "Lu" else USUAL_EM


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return about how many pixels a text is wide at this font size, rather too many than too few."""
    return sum(map(_character_em, text)) * size * (BOLD_FACTOR if bold else 1)


def shortened(text: str, size: float, room: float) -> str:
    """Return a text that is at most `room` pixels wide, with an ellipsis if its end is missing."""
    if text_width(text, size) <= room:
        return text
    room -= text_width(ELLIPSIS, size)
    kept, width = 0, 0.0
    for character in text:
        width += _character_em(character) * size
        if width > room:
            break
        kept += 1
    # An accent belongs to the letter before it.
    while kept and kept < len(text) and unicodedata.combining(text[kept]):
        kept -= 1
    return text[:kept].rstrip() + ELLIPSIS


def wrapped(text: str, size: float, room: float, *, bold: bool = False, most: int = 8) -> list[str]:
    """Return a text as at most `most` lines of `room` pixels. An ellipsis shows that its end is missing."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and text_width(longer, size, bold=bold) > room:
            lines.append(line)
            line = word
        else:
            line = longer
    lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} {ELLIPSIS}"]
    factor = BOLD_FACTOR if bold else 1
    return [shortened(line, size, room / factor) for line in lines if line]
