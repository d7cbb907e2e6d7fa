"""Publish question sets as numbered, immutable versions, and retire them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from app.db import Transaction, insert_if_new
from app.events.tell import About, tell
from app.problems import missing
from app.question_sets.documents import read_document
from app.question_sets.meaning import changed_meanings
from app.question_sets.store import ancestry, find_set, list_versions
from app.question_sets.tables import QuestionSetVersion
from app.scoring import Flaw, Flawed, QuestionSet

LAST_NUMBER = 999_999_999  # what a name, key@n, has room for


def content_hash(question_set: QuestionSet) -> str:
    """SHA-256 in hex of the canonical JSON: names sorted, no white space, UTF-8."""
    canonical = json.dumps(
        question_set.canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_here(tx: Transaction, document: Any) -> QuestionSet:
    """The whole set that a document tells here, where it may extend what is published; raises `Flawed`."""
    said = document if isinstance(document, Mapping) else {}
    key, extends = said.get("key"), said.get("extends")
    earlier = [_named(version) for version in list_versions(tx, key)] if isinstance(key, str) else []
    base = find_set(tx, extends) if isinstance(extends, str) else None
    for name in ancestry(tx, base) if base else ():
        made_from = find_set(tx, name)
        earlier += [(name, made_from)] if made_from else []
    return read_document(document, partial(find_set, tx), earlier)


def publish(
    tx: Transaction, question_set: QuestionSet, *, builtin: bool = False, number: int | None = None
) -> tuple[QuestionSetVersion, bool]:
    """Publish a set as its next version, unless the newest one is the same; whether it was new.

    With a `number` it becomes that version, unless it is that one already. Raises `Flawed` if a
    question changes its meaning, or if the number is taken or passed.
    """
    wanted = content_hash(question_set)
    while True:
        # Retired ones count for the number, and one look at all of them sees no other publish between.
        versions = list_versions(tx, question_set.key)
        same = _same(versions, wanted, number)
        if same:
            return same, False
        following = versions[0].version + 1 if versions else 1
        flaws = list(_flaws_beside(question_set, versions))
        if number is not None and number < following:
            flaws.append(Flaw("/key", f"{question_set.key}@{number} is published already, or a later one is"))
        if (number or following) > LAST_NUMBER:
            flaws.append(Flaw("/key", f"there is no version after {question_set.key}@{LAST_NUMBER}"))
        if flaws:
            raise Flawed(flaws)
        version = QuestionSetVersion(
            key=question_set.key,
            version=number or following,
            published_at=tx.at,
            content_hash=wanted,
            builtin=builtin,
            definition=question_set.canonical(),
        )
        if insert_if_new(tx, QuestionSetVersion, version.model_dump()):
            tell(tx, About(question_set=version.name), ["question_set.published"])
            return version, True
        # Another process published that number meanwhile: look again.


def publish_builtin(tx: Transaction, builtin: Iterable[QuestionSet]) -> list[QuestionSetVersion]:
    """Publish the built-in sets that are new; one that a team published over or retired is left alone."""
    published = []
    for question_set in builtin:
        versions = list_versions(tx, question_set.key)
        if not versions or (versions[0].builtin and versions[0].status == "published"):
            version, is_new = publish(tx, question_set, builtin=True)
            published += [version] if is_new else []
    return published


def retire(tx: Transaction, key: str, number: int) -> QuestionSetVersion:
    """Take a version out of use for new sessions; a second time changes nothing. Raises NOT_FOUND.

    Sessions that were opened with it go on, and are scored with it.
    """
    version = tx.db.get(QuestionSetVersion, (key, number), with_for_update=True)
    if version is None:
        raise missing("version of that number")
    if version.status != "retired":
        version.status = "retired"
        tx.db.add(version)
        tx.db.flush()
        tell(tx, About(question_set=version.name), ["question_set.retired"])
    return version


def _same(
    versions: Iterable[QuestionSetVersion], wanted: str, number: int | None
) -> QuestionSetVersion | None:
    """The version that is there and says the same: the one of that number, or else the newest."""
    for known in versions:
        if known.version == number or (number is None and known.status == "published"):
            return known if known.content_hash == wanted else None
    return None


def _flaws_beside(question_set: QuestionSet, versions: Iterable[QuestionSetVersion]) -> Iterable[Flaw]:
    for name, before in map(_named, versions):
        yield from changed_meanings(question_set, name, before)


def _named(version: QuestionSetVersion) -> tuple[str, QuestionSet]:
    return version.name, QuestionSet.model_validate(version.definition)
