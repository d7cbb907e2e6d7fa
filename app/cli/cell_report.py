"""Report what was left out of a file, and how its numbers were read."""

from collections.abc import Iterator, Sequence

from app.cli.bulk.typed import CellReport
from app.cli.console import counted
from app.files.values import SIGN_NAMES


def report_lines(cells: CellReport, where_rejected: str = "") -> Iterator[str]:
    """Yield lines about what was left out, with the first ten rows and cells by name.

    `where_rejected` is a sentence about where the rows are that could not be scored.
    """
    if cells.rejected:
        sentence = f"{counted(cells.rejected, 'row')} could not be scored. {where_rejected}"
        yield sentence.rstrip()
        yield from _listed(cells.first_problems, cells.rejected)
    if cells.left_out:
        were, they = ("was", "it") if cells.left_out == 1 else ("were", "they")
        yield f"{counted(cells.left_out, 'cell')} {were} left out, because {they} cannot be read:"
        yield from _listed(cells.first_left_out, cells.left_out)
    if cells.has_numbers:
        why = "" if cells.decimal else ", because no number shows another one"
        yield f"The decimal sign is {SIGN_NAMES[cells.decimal or '.']}{why}."


def _listed(first: Sequence[str], count: int) -> Iterator[str]:
    yield from (f"  {line}" for line in first)
    if count > len(first):
        yield f"  and {count - len(first):,} more"
