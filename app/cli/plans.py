"""The plans of question sets, for the commands that score."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app.cli.console import existing_database, fail, no_database, opened_database, reported_failures
from app.db import Database
from app.db.sqlite_file import has_content
from app.question_sets.builtin_sets import read_builtin
from app.question_sets.plans import Plans
from app.question_sets.queries import read_name
from app.question_sets.service import publish_builtin
from app.scoring import Plan
from app.settings import Settings

FindPlan = Callable[[str | None], Plan]


@contextmanager
def plans_at_hand() -> Iterator[FindPlan]:
    """Yield what finds the plan of a set by its name, or of the default set.

    Without a database, it finds the built-in sets, and fails for any other.
    """
    with reported_failures(), opened_database() as database:
        file = database.file
        is_missing = file is not None and not has_content(file)
    if file and is_missing:
        yield partial(_builtin_plan, file)
        return
    with published_plans() as (database, plans):
        yield lambda name: database.read_sync(lambda tx: plans.find(tx, name))


def _builtin_plan(missing_file: Path, name: str | None) -> Plan:
    """Return the plan of a built-in set. Fail with the file of the missing database if there is none."""
    name = name or Settings().default_question_set
    key, version = read_name(name, "body")
    found = [builtin for builtin in read_builtin() if builtin.key == key and version in (None, 1)]
    if not found:
        fail(f"{name} is not a built-in question set. {no_database(missing_file)}")
    return Plan(found[0], f"{key}@1")


@contextmanager
def published_plans() -> Iterator[tuple[Database, Plans]]:
    """Open the database, publish the built-in sets, and yield it with the plans of all sets."""
    with existing_database() as database:
        database.write_sync(lambda tx: publish_builtin(tx, read_builtin()))
        yield database, Plans(database, Settings().default_question_set)
