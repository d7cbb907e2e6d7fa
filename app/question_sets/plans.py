"""Prepare published versions for scoring, and choose a set for a prospect."""

from collections import defaultdict
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
from app.scoring.question_set import AttributeType

NEWEST_CACHE_SECONDS = 2
Version = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The name of the chosen set, "key" or "key@n", what chose it, and why."""

    name: str
    by: ChosenBy
    reason: str


def choose(candidates: Iterable[Plan], attributes: Mapping[str, Any], default: str) -> Choice:
    """Choose the candidate with the highest priority of those whose `for` matches, or the default.

    Raises SEVERAL_SETS_MATCH if several of them have the highest priority.
    """
    matching = [plan.question_set for plan in candidates if _is_meant_for(plan.question_set, attributes)]
    if not matching:
        return Choice(default, "default", "no question set is meant for this prospect")
    highest = max(map(_priority, matching))
    first, *others = sorted((s for s in matching if _priority(s) == highest), key=lambda s: s.key)
    if others:
        keys = " and ".join(question_set.key for question_set in (first, *others))
        raise Problem(
            SEVERAL_SETS_MATCH, f"{keys} are meant for this prospect, and all have priority {highest}."
        )
    return Choice(first.key, "for", f"{_describe_conditions(first.for_ or {})}; priority {highest}")


def _is_meant_for(question_set: QuestionSet, attributes: Mapping[str, Any]) -> bool:
    """Return whether a set has conditions for prospects, and the attributes meet them.

    An attribute that the set cannot read counts as missing.
    """
    conditions = question_set.for_ or {}
    return bool(conditions) and meets(conditions, read_stored(question_set, attributes).known)


def _priority(question_set: QuestionSet) -> int:
    return question_set.priority or 0


def _describe_conditions(conditions: Mapping[str, Condition]) -> str:
    """Return the conditions in words: "industry in logistics, retail and employees at least 50"."""
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
    """The plans of published versions, cached in memory; used by many threads.

    Versions never change, so their plans are never evicted. Which versions are the newest is read again after
    NEWEST_CACHE_SECONDS.
    """

    def __init__(self, database: Database, default: str) -> None:
        self.default = default
        self._database = database
        self._plans: dict[Version, Plan] = {}
        self._newest: TTLCache[str, int] = TTLCache(maxsize=1000, ttl=NEWEST_CACHE_SECONDS)
        self._with_for: TTLCache[str, list[Plan]] = TTLCache(maxsize=1, ttl=NEWEST_CACHE_SECONDS)
        self._lock = Lock()

    async def get(self, name: str | None, where: Where = "body") -> Plan:
        """Return the plan of "key", "key@n" or the default set; raises INVALID_REQUEST if there is none.

        If the plan is cached, this uses neither a thread nor the database.
        """
        key, version = self.parse_name(name, where)
        if plan := self._cached(key, version):
            return plan
        return await self._database.read(lambda tx: self.find(tx, name, where))

    def find(self, tx: Transaction, name: str | None, where: Where = "body") -> Plan:
        """Return the same plan as `get`, in a transaction; raises INVALID_REQUEST if there is none."""
        key, version = self.parse_name(name, where)
        if plan := self._cached(key, version):
            return plan
        stored = find_version(tx, key, version)
        if stored is None:
            raise unknown_question_set(where)
        if version is None:
            with self._lock:
                self._newest[key] = stored.version
        return self._prepare(stored)

    def find_to_open(self, tx: Transaction, name: str) -> Plan:
        """Return the plan for a new session: for a bare key, that of the newest version in the database.

        Raises INVALID_REQUEST if there is none or if the version is retired.
        """
        key, version = self.parse_name(name)
        number = published_number(tx, key, version)
        if number is None:
            if version is not None and version_exists(tx, key, version):
                detail = "that version is retired: name a newer version, or only the key"
                raise invalid_field("/question_set", "retired", detail)
            raise unknown_question_set()
        return self._load(tx, key, number)

    def choose(self, tx: Transaction, attributes: Mapping[str, Any]) -> Choice:
        """Choose the set for a prospect with these attributes: see the function `choose`."""
        with self._lock:
            candidates = self._with_for.get("")
        if candidates is None:
            newest = [self._load(tx, key, version) for key, version in newest_versions(tx)]
            candidates = [plan for plan in newest if plan.question_set.for_]
            with self._lock:
                self._with_for[""] = candidates
        return choose(candidates, attributes, self.default)

    def declared_types(self, tx: Transaction) -> dict[str, AttributeType]:
        """Return the types of the attributes that the newest versions about prospects declare.

        A name that they declare with different types has none.
        """
        types: dict[str, set[AttributeType]] = defaultdict(set)
        for plan in self.about_prospects(tx):
            for name, type_ in plan.question_set.attributes.items():
                types[name].add(type_)
        return {name: found.pop() for name, found in types.items() if len(found) == 1}

    def about_prospects(self, tx: Transaction) -> list[Plan]:
        """Return the plans of the newest versions about prospects."""
        newest = [self._load(tx, key, version) for key, version in newest_versions(tx)]
        return [plan for plan in newest if plan.question_set.subject == "prospect"]

    def forget_newest(self) -> None:
        """Make this process read the newest versions again. Call it after one was published or retired."""
        with self._lock:
            self._newest.clear()
            self._with_for.clear()

    def parse_name(self, name: str | None, where: Where = "body") -> tuple[str, int | None]:
        """Return the key and number of a name, or of the default set's; raises INVALID_REQUEST."""
        return read_name(name or self.default, where)

    def find_filter(self, tx: Transaction, name: str | None, where: Where) -> tuple[str, int | None] | None:
        """Return the key and number of a name, to search for sessions; None without a name.

        A retired version is valid, because it has sessions too. Raises INVALID_REQUEST if there never was
        such a version.
        """
        if name is None:
            return None
        key, version = self.parse_name(name, where)
        if not version_exists(tx, key, version):
            raise unknown_question_set(where)
        return key, version

    def _load(self, tx: Transaction, key: str, version: int) -> Plan:
        if plan := self._plans.get((key, version)):
            return plan
        stored = find_version(tx, key, version)
        assert stored is not None, "a version is never deleted"
        return self._prepare(stored)

    def _prepare(self, stored: QuestionSetVersion) -> Plan:
        plan = Plan(QuestionSet.model_validate(stored.definition), stored.name)
        return self._plans.setdefault((stored.key, stored.version), plan)

    def _cached(self, key: str, version: int | None) -> Plan | None:
        if version is None:
            with self._lock:
                version = self._newest.get(key)
        return self._plans.get((key, version)) if version else None


def shared_questions(tx: Transaction, plans: Plans, first: Plan, second: Plan) -> set[str]:
    """Return the keys of the questions that have the same meaning in two plans, from a common set.

    The result is empty if neither set extends the other and they extend no common set. If each set added a
    question itself, these are different questions, even if they have the same key.
    """
    first_origins, second_origins = _origins(tx, plans, first), _origins(tx, plans, second)
    return {
        question
        for key in first_origins.keys() & second_origins.keys()
        for question in first_origins[key] & second_origins[key]
        if first.means_the_same(second, question)
    }


def _origins(tx: Transaction, plans: Plans, plan: Plan) -> dict[str, set[str]]:
    """Return the questions that a plan shares with its own set and each set that it extends, by set key."""
    ancestors = [plans.find(tx, name) for name in ancestry(tx, plan.question_set)]
    origins: dict[str, set[str]] = {}
    for version in (plan, *ancestors):
        shared = version.questions.keys() & plan.questions.keys()
        origins.setdefault(version.question_set.key, set()).update(shared)
    return origins
