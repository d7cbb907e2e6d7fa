"""Published versions, ready for scoring and kept in memory."""

from threading import Lock

from cachetools import TTLCache

from app.db import Database, Transaction
from app.problems import Problem, Where, invalid_field
from app.question_sets.store import find_version, split_name
from app.scoring import Plan, QuestionSet

NEWEST_SECONDS = 2


class Plans:
    """Versions never change and are kept for ever; which one is newest is asked every 2 seconds."""

    def __init__(self, database: Database, default: str) -> None:
        self.default = default
        self._database = database
        self._plans: dict[tuple[str, int], Plan] = {}
        self._newest: TTLCache[str, int] = TTLCache(maxsize=1000, ttl=NEWEST_SECONDS)
        self._lock = Lock()

    async def get(self, name: str | None) -> Plan:
        """The plan of "key" or "key@n"; neither a thread nor the database when it is in memory."""
        key, version = self.parts(name)
        if plan := self._cached(key, version):
            return plan
        return await self._database.read(lambda tx: self.find(tx, name))

    def find(self, tx: Transaction, name: str | None) -> Plan:
        """The plan of "key" or "key@n", in a transaction; raises INVALID_REQUEST if there is none."""
        key, version = self.parts(name)
        if plan := self._cached(key, version):
            return plan
        stored = find_version(tx, key, version)
        if stored is None:
            raise _unknown()
        plan = self._plans.setdefault(
            (key, stored.version),
            Plan(QuestionSet.model_validate(stored.definition), f"{key}@{stored.version}"),
        )
        if version is None:
            with self._lock:
                self._newest[key] = stored.version
        return plan

    def parts(self, name: str | None, where: Where = "body") -> tuple[str, int | None]:
        """The key and number in a name, or in the default; raises INVALID_REQUEST."""
        return read_name(name or self.default, where)

    def _cached(self, key: str, version: int | None) -> Plan | None:
        if version is None:
            with self._lock:
                version = self._newest.get(key)
        return self._plans.get((key, version)) if version else None


def read_name(name: str, where: Where) -> tuple[str, int | None]:
    """The key and number in a name that somebody sent as `question_set`; raises INVALID_REQUEST."""
    parts = split_name(name)
    if parts is None:
        raise invalid_field("/question_set", "invalid", 'send "key" or "key@version"', where)
    return parts


def _unknown() -> Problem:
    return invalid_field(
        "/question_set",
        "unknown_question_set",
        "no such question set or version is published: GET /v1/question-sets lists them",
    )
