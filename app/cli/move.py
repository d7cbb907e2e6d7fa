"""`move --set KEY`: move all open sessions of a question set to a newer version."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated
from uuid import UUID

import anyio
import typer

from app.cli.console import counted, fail, print_note, print_text
from app.cli.plans import published_plans
from app.cli.terminal import progress_bar
from app.db import Database, Transaction
from app.inbound.imports.service import BatchPacing
from app.problems import DATABASE_FAILURES, Problem
from app.question_sets.plans import Plans
from app.scoring import Plan
from app.sessions.carry_over import MovedSessions, count_older, move_older
from app.sessions.session_edit import UnitOfWork

KEY_NAME = "prospect-fit move"
MAX_SHOWN = 10
SetOption = Annotated[str, typer.Option("--set", help="The version to move to: key@version, or key.")]
Notify = Annotated[
    bool,
    typer.Option("--notify", help="Send the changes to webhooks too. By default, only the feed has them."),
]


def move(*, set_name: SetOption, notify: Notify = False) -> None:
    """Move all open sessions on older versions of a question set to this version.

    The sessions keep the answers to questions that this version also has. If the command is stopped, run it
    again: it continues with the sessions that are left.
    """
    with published_plans() as (database, plans):
        plan = database.read_sync(lambda tx: plans.find_to_open(tx, set_name))
        total = database.read_sync(lambda tx: count_older(tx, plan))
        moving = _Move(database, plans, plan, notify=notify)
        try:
            with progress_bar("moving", total) as advance:
                anyio.run(moving.run, advance)
        except KeyboardInterrupt:
            print_note("Stopped. Run the command again to continue.")
            raise typer.Exit(130) from None
        except Problem as problem:
            if problem.kind not in DATABASE_FAILURES:
                raise
            fail(f"{problem.detail} Run the command again to continue.")
        finally:
            moving.report()
        if moving.failed:
            raise typer.Exit(1)


class _Move:
    """One run over the sessions of a set, in short transactions."""

    def __init__(self, database: Database, plans: Plans, plan: Plan, *, notify: bool) -> None:
        self._database = database
        self._plans = plans
        self._plan = plan
        self._notify = notify
        self._moved = self._dropped = self.failed = 0

    async def run(self, advance: Callable[[int], None]) -> None:
        """Move all sessions. Raises UNAVAILABLE if the database fails several times in a row."""
        pacing = BatchPacing()
        done: MovedSessions | None = None
        while done is None or done.last:
            pacing.start()
            after = done.last if done else None
            try:
                done = await self._database.write(partial(self._move_some, after, pacing.size))
            except Problem as problem:
                await anyio.sleep(pacing.failed(problem))
                continue
            self._count(done)
            advance(done.moved + len(done.failures))
            pause = pacing.done(done.moved + len(done.failures))
            if self._database.is_sqlite:
                await anyio.sleep(pause)

    def report(self) -> None:
        """Print what was done."""
        print_text(
            f"Moved {counted(self._moved, 'session')} to {self._plan.name}. "
            f"{counted(self._dropped, 'answer')} to questions that it does not have "
            f"{'was' if self._dropped == 1 else 'were'} dropped."
        )
        if self.failed:
            print_text(f"{counted(self.failed, 'session')} could not be moved.")

    def _move_some(self, after: UUID | None, limit: int, tx: Transaction) -> MovedSessions:
        uow = UnitOfWork(replace(tx, silent=not self._notify), self._plans, KEY_NAME)
        return move_older(uow, self._plan, after, limit)

    def _count(self, done: MovedSessions) -> None:
        self._moved += done.moved
        self._dropped += done.dropped
        for session_id, problem in done.failures:
            self.failed += 1
            if self.failed <= MAX_SHOWN:
                print_note(f"session {session_id}: {problem.detail}")
