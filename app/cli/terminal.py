"""Tables and progress bars. Only commands that show them import this module: rich takes long to import."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from app.cli.console import escaped_controls


class _SafeConsole(Console):
    """A console that shows control characters instead of sending them to the terminal.

    Stored and received texts can contain what moves the cursor, changes the title or reorders a line. Every
    text that is printed, and every cell of a table, passes `render_str`.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as rich does, with its control characters escaped."""
        return super().render_str(escaped_controls(text), **options)


# A pipe has no width. 200 columns keep tables from being cut off.
out = _SafeConsole(width=None if sys.stdout.isatty() else 200, emoji=False)
err = _SafeConsole(stderr=True, emoji=False)


def table(*columns: str) -> Table:
    """Return an empty table with these headings."""
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how much of `total` is done. Yields a function that advances the bar."""
    columns = (TextColumn(label), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task(label, total=total)
        yield lambda count: progress.advance(bar, count)
