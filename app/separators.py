"""What separates the cells of a CSV file, as its line of headings shows."""

from collections.abc import Callable

SEPARATORS = (",", ";", "\t")


def separator_of(first_line: str, is_known: Callable[[str], bool]) -> str:
    """The one that makes the most known columns of the line of headings."""

    def made(separator: str) -> int:
        headings = {part.strip(' "\r\n') for part in first_line.split(separator)}
        return sum(map(is_known, headings))

    return max(SEPARATORS, key=made)
