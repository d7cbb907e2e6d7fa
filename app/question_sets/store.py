"""Publish question sets and find the published ones."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from sqlmodel import col, func, select

from app.db import Transaction, insert_if_new
from app.question_sets.tables import QuestionSetVersion
from app.scoring import QuestionSet


def content_hash(question_set: QuestionSet) -> str:
    """SHA-256 in hex of the canonical JSON: names sorted, no white space, UTF-8."""
    canonical = json.dumps(
        question_set.canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def publish(
    tx: Transaction, question_set: QuestionSet, *, builtin: bool = False
) -> tuple[QuestionSetVersion, bool]:
    """Publish a set as the next version, unless the newest one is the same; whether it was new."""
    wanted = content_hash(question_set)
    while True:
        # Retired ones count for the number, and one look at all of them sees no other publish between.
        versions = list_versions(tx, question_set.key)
        newest = next((known for known in versions if known.status == "published"), None)
        if newest and newest.content_hash == wanted:
            return newest, False
        version = QuestionSetVersion(
            key=question_set.key,
            version=versions[0].version + 1 if versions else 1,
            published_at=tx.at,
            content_hash=wanted,
            builtin=builtin,
            definition=question_set.canonical(),
        )
        if insert_if_new(tx, QuestionSetVersion, version.model_dump()):
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


def find_version(tx: Transaction, key: str, version: int | None = None) -> QuestionSetVersion | None:
    """That version, retired or not; without a number the newest that is not retired."""
    if version is not None:
        return tx.db.get(QuestionSetVersion, (key, version)) if version < 2**31 else None
    return tx.db.exec(
        select(QuestionSetVersion)
        .where(QuestionSetVersion.key == key, QuestionSetVersion.status == "published")
        .order_by(col(QuestionSetVersion.version).desc())
        .limit(1)
    ).one_or_none()


def list_versions(tx: Transaction, key: str) -> Sequence[QuestionSetVersion]:
    """Every version of a set, newest first; empty for an unknown set."""
    return tx.db.exec(
        select(QuestionSetVersion)
        .where(QuestionSetVersion.key == key)
        .order_by(col(QuestionSetVersion.version).desc())
    ).all()


def list_newest(tx: Transaction) -> Sequence[QuestionSetVersion]:
    """The newest version of every set that is not retired, by key."""
    newest = (
        select(QuestionSetVersion.key, func.max(QuestionSetVersion.version).label("version"))
        .where(QuestionSetVersion.status == "published")
        .group_by(QuestionSetVersion.key)
        .subquery()
    )
    return tx.db.exec(
        select(QuestionSetVersion)
        .join(
            newest,
            (newest.c.key == QuestionSetVersion.key) & (newest.c.version == QuestionSetVersion.version),
        )
        .order_by(QuestionSetVersion.key)
    ).all()


NAME = re.compile(r"([a-z][a-z0-9-]{0,63})(?:@([1-9][0-9]{0,8}))?")


def split_name(name: str) -> tuple[str, int | None] | None:
    """The key and number in "key@n", the key and None in "key"; None for any other text."""
    found = NAME.fullmatch(name)
    return (found[1], int(found[2]) if found[2] else None) if found else None
