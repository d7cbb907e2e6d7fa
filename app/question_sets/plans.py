"""Published versions, ready for scoring and kept in memory."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from cachetools import TTLCache

from app.db import Database, Transaction
from app.problems import Problem, Where, invalid_field
from app.question_sets.choice import Choice, choose
from app.question_sets.store import (
    find_version,
    is_known,
    newest_versions,
    published_number,
    split_name,
)
from app.question_sets.tables import QuestionSetVersion
from app.scoring import Plan, QuestionSet

NEWEST_SECONDS = 2
Version = tuple[str, int]


class Plans:
    """Versions never change and are kept for ever; which ones are newest is asked every 2 seconds."""

    def __init__(self, database: Database, default: str) -> None:
        self.default = default
        self._database = database
        self._plans: dict[Version, Plan] = {}
        self._newest: TTLCache[str, int] = TTLCache(maxsize=1000, ttl=NEWEST_SECONDS)
        self._with_for: TTLCache[str, list[Plan]] = TTLCache(maxsize=1, ttl=NEWEST_SECONDS)
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
            raise unknown_question_set()
        if version is None:
            with self._lock:
                self._newest[key] = stored.version
        return self._ready(stored)

    def find_to_open(self, tx: Transaction, name: str) -> Plan:
        """The plan for a new session, the newest there is this moment for a bare key.

        Raises INVALID_REQUEST if there is none or it is retired.
        """
        key, version = self.parts(name)
        number = published_number(tx, key, version)
        if number is None:
            if version is not None and is_known(tx, key, version):
                detail = "that version is retired: name a newer one, or none"
                raise invalid_field("/question_set", "retired", detail)
            raise unknown_question_set()
        return self._of(tx, key, number)

    def choose(self, tx: Transaction, attributes: Mapping[str, Any]) -> Choice:
        """The set that is meant for a prospect with these attributes, or the default one."""
        with self._lock:
            candidates = self._with_for.get("")
        if candidates is None:
            newest = [self._of(tx, key, version) for key, version in newest_versions(tx)]
            candidates = [plan for plan in newest if plan.question_set.for_]
            with self._lock:
                self._with_for[""] = candidates
        return choose(candidates, attributes, self.default)

    def forget_newest(self) -> None:
        """After a version was published or retired: this process need not wait to know."""
        with self._lock:
            self._newest.clear()
            self._with_for.clear()

    def parts(self, name: str | None, where: Where = "body") -> tuple[str, int | None]:
        """The key and number in a name, or in the default; raises INVALID_REQUEST."""
        return read_name(name or self.default, where)

    def require(self, tx: Transaction, name: str | None, where: Where) -> tuple[str, int | None]:
        """The key and number in a name, or in the default, whose sessions are looked for.

        Retired ones have sessions too. Raises INVALID_REQUEST if there never was such a version.
        """
        key, version = self.parts(name, where)
        if not is_known(tx, key, version):
            raise unknown_question_set(where)
        return key, version

    def _of(self, tx: Transaction, key: str, version: int) -> Plan:
        if plan := self._plans.get((key, version)):
            return plan
        stored = find_version(tx, key, version)
        assert stored is not None, "a version is never deleted"
        return self._ready(stored)

    def _ready(self, stored: QuestionSetVersion) -> Plan:
        plan = Plan(QuestionSet.model_validate(stored.definition), stored.name)
        return self._plans.setdefault((stored.key, stored.version), plan)

    def _cached(self, key: str, version: int | None) -> Plan | None:
        if version is None:
            with self._lock:
                version = self._newest.get(key)
        return self._plans.get((key, version)) if version else None


def read_name(name: str, where: Where, at: str = "/question_set") -> tuple[str, int | None]:
    """The key and number in a name that somebody sent; raises INVALID_REQUEST."""
    parts = split_name(name)
    if parts is None:
        raise invalid_field(at, "invalid", 'send "key" or "key@version"', where)
    return parts


def unknown_question_set(where: Where = "body", at: str = "/question_set") -> Problem:
    """An INVALID_REQUEST problem: a name that somebody sent is nobody's."""
    detail = "no such question set or version is published: name one that the list of question sets has"
    return invalid_field(at, "unknown_question_set", detail, where)
