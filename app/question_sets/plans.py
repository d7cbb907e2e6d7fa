"""Published versions prepared for scoring, and the choice of a set for a prospect."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from cachetools import TTLCache

from app.db import Database, Transaction
from app.problems import SEVERAL_SETS_MATCH, Problem, Where, invalid_field
from app.question_sets.queries import (
    ancestry,
    find_version,
    newest_versions,
    published_number,
    read_name,
    unknown_question_set,
    version_exists,
)
from app.question_sets.schemas import ChosenBy
from app.question_sets.tables import QuestionSetVersion
from app.scoring import Condition, Plan, QuestionSet, meets, read_stored

NEWEST_CACHE_SECONDS = 2
Version = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The name of a set, "key" or "key@n", who chose it, and why."""

    name: str
    by: ChosenBy
    because: str


def choose(candidates: Iterable[Plan], attributes: Mapping[str, Any], default: str) -> Choice:
    """The candidate with the highest priority of those meant for such a prospect, or the default.

    Raises SEVERAL_SETS_MATCH rather than choosing between equals.
    """
    meant = [plan.question_set for plan in candidates if _is_meant_for(plan.question_set, attributes)]
    if not meant:
        return Choice(default, "default", "no question set is meant for such a prospect")
    highest = max(map(_priority, meant))
    first, *others = sorted((s for s in meant if _priority(s) == highest), key=lambda s: s.key)
    if others:
        names = " and ".join(one.key for one in (first, *others))
        raise Problem(
            SEVERAL_SETS_MATCH, f"{names} are meant for such a prospect, all with priority {highest}."
        )
    return Choice(first.key, "for", f"{_describe_conditions(first.for_ or {})}; priority {highest}")


def _is_meant_for(question_set: QuestionSet, attributes: Mapping[str, Any]) -> bool:
    """An attribute that the set cannot read is missing."""
    conditions = question_set.for_ or {}
    return bool(conditions) and meets(conditions, read_stored(question_set, attributes).known)


def _priority(question_set: QuestionSet) -> int:
    return question_set.priority or 0


def _describe_conditions(conditions: Mapping[str, Condition]) -> str:
    """The conditions in words: "industry in logistics, retail and employees at least 50"."""
    return " and ".join(
        f"{name} {operator.replace('_', ' ')} {_describe_value(value)}"
        for name, condition in conditions.items()
        for operator, value in condition.model_dump(by_alias=True, exclude_none=True).items()
    )


def _describe_value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_describe_value, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


class Plans:
    """Versions never change and are kept for ever; which ones are newest is asked every 2 seconds."""

    def __init__(self, database: Database, default: str) -> None:
        self.default = default
        self._database = database
        self._plans: dict[Version, Plan] = {}
        self._newest: TTLCache[str, int] = TTLCache(maxsize=1000, ttl=NEWEST_CACHE_SECONDS)
        self._with_for: TTLCache[str, list[Plan]] = TTLCache(maxsize=1, ttl=NEWEST_CACHE_SECONDS)
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
            if version is not None and version_exists(tx, key, version):
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
        if not version_exists(tx, key, version):
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


def shared_questions(tx: Transaction, plans: Plans, one: Plan, other: Plan) -> set[str]:
    """The questions that mean the same in both, since both have them from versions of one set.

    None where neither set was made from the other, nor both from the same. A question that each of
    them added for itself is another one, even if it has the same key.
    """
    here, there = _descent(tx, plans, one), _descent(tx, plans, other)
    return {
        question
        for key in here.keys() & there.keys()
        for question in here[key] & there[key]
        if one.means_the_same(other, question)
    }


def _descent(tx: Transaction, plans: Plans, plan: Plan) -> dict[str, set[str]]:
    """The questions that a set has, by the key of every set that it was made from and that has them too."""
    made_from = [plans.find(tx, name) for name in ancestry(tx, plan.question_set)]
    descent: dict[str, set[str]] = {}
    for version in (plan, *made_from):
        kept = version.questions.keys() & plan.questions.keys()
        descent.setdefault(version.question_set.key, set()).update(kept)
    return descent
