"""Whether the service can respond: its database has the newest schema and accepts writes."""

from math import inf
from time import monotonic

import anyio

from app.db import Database, Transaction
from app.installation import identity, write_check
from app.migrate import schema_flaw
from app.problems import unavailable

# Anybody can ask whether the service is ready, so all checks within this time share one write.
WRITE_CHECK_SECONDS = 1
SCHEMA_RETRY_AFTER_SECONDS = 10


class ReadinessCheck:
    """Checks the database of one process. Only a committed write shows that the disk has space."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = anyio.Lock()
        self._written_at = -inf

    async def check(self) -> str:
        """Return the identity of the database.

        Raises:
            Problem: one of DATABASE_FAILURES, whose detail names the cause. After a write that found the
                database full or read-only, this is raised for a few seconds, even if smaller writes succeed.
        """
        if problem := self._database.recent_refusal():
            raise problem
        found = await self._database.read(_read_check)
        async with self._writing:
            if monotonic() - self._written_at > WRITE_CHECK_SECONDS:
                await self._database.write(write_check)
                self._written_at = monotonic()
        return found


def _read_check(tx: Transaction) -> str:
    if flaw := schema_flaw(tx.db.connection()):
        raise unavailable(flaw, retry_after=SCHEMA_RETRY_AFTER_SECONDS)
    return identity(tx)
