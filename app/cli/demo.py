"""`demo`: load a hundred or so demo prospects, or remove them again."""

from functools import partial
from typing import Annotated

import typer
from rich.progress import track

from app.cli.console import counted, existing_database, print_text
from app.cli.terminal import err
from app.clock import utc_now
from app.db import Database
from app.demo import (
    DEMO_SETS,
    DEMO_SOURCE,
    create_demo_prospects,
    demo_prospects,
    in_batches,
    remove_demo,
)
from app.question_sets.builtin_sets import read_builtin
from app.question_sets.plans import Plans
from app.question_sets.service import publish_builtin
from app.settings import Settings


def demo(
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the demo prospects.")] = False,
) -> None:
    """Load 104 demo prospects with sessions at every stage. Running it again starts over."""
    with existing_database() as database:
        removed, kept = database.write_sync(remove_demo)
        database.truncate_wal_sync()
        if kept:
            print_text(f"Not removed because of links to other systems: {counted(kept, 'prospect')}.")
        if remove:
            print_text(f"Removed {counted(removed, 'demo prospect')}.")
            return
        count = _load(database)
        print_text(f"Loaded {counted(count, 'demo prospect')} with the source '{DEMO_SOURCE}'.")
        print_text(
            "Try GET /v1/sessions?sort=ranked. To remove the prospects, run 'prospect-fit demo --remove'."
        )


def _load(database: Database) -> int:
    """Create the demo prospects, except those that were kept, and return how many were created."""
    database.write_sync(lambda tx: publish_builtin(tx, read_builtin()))
    plans = Plans(database, Settings().default_question_set)
    found = database.read_sync(lambda tx: {name: plans.find(tx, name) for name in DEMO_SETS})
    batches = list(in_batches(demo_prospects(found, utc_now().date())))
    shown = track(batches, "Creating prospects", console=err, transient=True)
    return sum(database.write_sync(partial(create_demo_prospects, plans, some)) for some in shown)
