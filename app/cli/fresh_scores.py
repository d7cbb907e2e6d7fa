"""Reading current scores, for the commands that show stored sessions."""

from collections.abc import Callable
from typing import TypeVar

from app.db import Database, Transaction
from app.question_sets.plans import Plans
from app.sessions.queries import StaleScores
from app.sessions.session_edit import SYSTEM_KEY_NAME, UnitOfWork, rescore_stale

T = TypeVar("T")


def read_scores(database: Database, plans: Plans, work: Callable[[Transaction], T]) -> T:
    """Run `work` in a read transaction, after computing again all stale scores."""
    while True:
        try:
            return database.read_sync(work)
        except StaleScores:
            database.write_sync(lambda tx: rescore_stale(UnitOfWork(tx, plans, SYSTEM_KEY_NAME), None))
