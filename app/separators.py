"""What separates the cells of a CSV file, as its line of headings shows."""

from collections.abc import Callable

SEPARATORS = (",", ";", "\t")
# More could not be used, and would take long to look at.
MOST_COLUMNS = 1000


def separator_of(first_line: str, is_known: Callable[[str], bool]) -> str:
    """The one that makes the most known columns of the line of headings."""

    def made(separator: str) -> int:
        parts = first_line.split(separator, MOST_COLUMNS)[:MOST_COLUMNS]
        headings = {part.strip(' "\r\n') for part in parts}
        return sum(map(is_known, headings))

    return max(SEPARATORS, key=made)
