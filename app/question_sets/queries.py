"""Find published question sets."""

import re
from collections.abc import Sequence

from sqlmodel import col, func, select

from app.db import Transaction
from app.problems import Problem, Where, invalid_field
from app.question_sets.tables import QuestionSetVersion
from app.scoring import QuestionSet

NEWEST = (
    select(QuestionSetVersion.key, func.max(QuestionSetVersion.version).label("version"))
    .where(QuestionSetVersion.status == "published")
    .group_by(QuestionSetVersion.key)
)


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


def published_number(tx: Transaction, key: str, version: int | None = None) -> int | None:
    """That number, or the newest one, if it is published and not retired; else None."""
    statement = NEWEST.where(QuestionSetVersion.key == key)
    if version is not None:
        statement = statement.where(QuestionSetVersion.version == version)
    found = tx.db.exec(statement).first()
    return found[1] if found else None


def version_exists(tx: Transaction, key: str, version: int | None = None) -> bool:
    """Whether that version was ever published; without a number, whether any was."""
    wanted = select(QuestionSetVersion.version).where(QuestionSetVersion.key == key)
    if version is not None:
        wanted = wanted.where(QuestionSetVersion.version == version)
    return tx.db.exec(wanted.limit(1)).first() is not None


def find_set(tx: Transaction, name: str) -> QuestionSet | None:
    """The definition of "key" or "key@n"; None for any other text, or one that is not published."""
    parts = split_name(name)
    found = find_version(tx, *parts) if parts else None
    return QuestionSet.model_validate(found.definition) if found else None


def ancestry(tx: Transaction, question_set: QuestionSet) -> list[str]:
    """The versions that a set was made from, nearest first."""
    names: list[str] = []
    made_from: QuestionSet | None = question_set
    while made_from and made_from.extends:
        names.append(made_from.extends)
        made_from = find_set(tx, made_from.extends)
    return names


def parent_key(question_set: QuestionSet) -> str | None:
    """The key of the set that a set was made from."""
    return question_set.extends.partition("@")[0] if question_set.extends else None


def list_versions(tx: Transaction, key: str) -> Sequence[QuestionSetVersion]:
    """Every version of a set, newest first; empty for an unknown set."""
    return tx.db.exec(
        select(QuestionSetVersion)
        .where(QuestionSetVersion.key == key)
        .order_by(col(QuestionSetVersion.version).desc())
    ).all()


def list_newest(tx: Transaction) -> Sequence[QuestionSetVersion]:
    """The newest version of every set that is not retired, by key."""
    newest = NEWEST.subquery()
    return tx.db.exec(
        select(QuestionSetVersion)
        .join(
            newest,
            (newest.c.key == QuestionSetVersion.key) & (newest.c.version == QuestionSetVersion.version),
        )
        .order_by(QuestionSetVersion.key)
    ).all()


def list_all(tx: Transaction) -> Sequence[QuestionSetVersion]:
    """Every version of every set, retired ones too, by key and the newest first."""
    every = select(QuestionSetVersion)
    return tx.db.exec(every.order_by(QuestionSetVersion.key, col(QuestionSetVersion.version).desc())).all()


def newest_versions(tx: Transaction) -> list[tuple[str, int]]:
    """The key and number of the newest version of every set, without its definition."""
    return [(key, version) for key, version in tx.db.exec(NEWEST)]


SET_NAME = re.compile(r"([a-z][a-z0-9-]{0,63})(?:@([1-9][0-9]{0,8}))?")


def split_name(name: str) -> tuple[str, int | None] | None:
    """The key and number in "key@n", the key and None in "key"; None for any other text."""
    found = SET_NAME.fullmatch(name)
    return (found[1], int(found[2]) if found[2] else None) if found else None


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
