"""Find published question sets."""

import re
from collections.abc import Sequence
from functools import lru_cache

from sqlmodel import bindparam, col, func, select

from app.db import Transaction
from app.problems import Problem, Where, invalid_field
from app.question_sets.tables import QuestionSetDraft, QuestionSetVersion
from app.scoring import SET_NAME, QuestionSet

# Constants, because building a statement takes longer than running it.
NEWEST_VERSIONS = (
    select(QuestionSetVersion.key, func.max(QuestionSetVersion.version).label("version"))
    .where(QuestionSetVersion.status == "published")
    .group_by(QuestionSetVersion.key)
)
NEWEST_VERSION = NEWEST_VERSIONS.where(QuestionSetVersion.key == bindparam("of_key"))
PUBLISHED_VERSION = NEWEST_VERSION.where(QuestionSetVersion.version == bindparam("number"))


def find_version(tx: Transaction, key: str, version: int | None = None) -> QuestionSetVersion | None:
    """Return a version, retired or not; without `version`, the newest one that is not retired; or None."""
    if version is not None:
        return tx.db.get(QuestionSetVersion, (key, version)) if version < 2**31 else None
    return tx.db.exec(
        select(QuestionSetVersion)
        .where(QuestionSetVersion.key == key, QuestionSetVersion.status == "published")
        .order_by(col(QuestionSetVersion.version).desc())
        .limit(1)
    ).one_or_none()


def published_number(tx: Transaction, key: str, version: int | None = None) -> int | None:
    """Return the number of a version, or of the newest one, if it is published and not retired; or None."""
    statement = NEWEST_VERSION if version is None else PUBLISHED_VERSION
    rows = tx.run(statement, {"of_key": key, "number": version})
    return rows[0][1] if rows else None


def version_exists(tx: Transaction, key: str, version: int | None = None) -> bool:
    """Return whether a version was ever published; without a number, whether any version of the set was."""
    statement = select(QuestionSetVersion.version).where(QuestionSetVersion.key == key)
    if version is not None:
        statement = statement.where(QuestionSetVersion.version == version)
    return tx.db.exec(statement.limit(1)).first() is not None


def find_set(tx: Transaction, name: str) -> QuestionSet | None:
    """Return the definition of "key" or "key@n"; None if the name is not valid or not published."""
    parts = split_name(name)
    version = find_version(tx, *parts) if parts else None
    return QuestionSet.model_validate(version.definition) if version else None


def ancestry(tx: Transaction, question_set: QuestionSet) -> list[str]:
    """Return the names of the versions that a set extends, directly or indirectly, nearest first."""
    names: list[str] = []
    ancestor: QuestionSet | None = question_set
    while ancestor and ancestor.extends:
        names.append(ancestor.extends)
        ancestor = find_set(tx, ancestor.extends)
    return names


def parent_key(question_set: QuestionSet) -> str | None:
    """Return the key of the set that a set extends; None if it extends none."""
    return question_set.extends.partition("@")[0] if question_set.extends else None


def list_versions(tx: Transaction, key: str) -> Sequence[QuestionSetVersion]:
    """Return all versions of a set, newest first; empty for an unknown set."""
    return tx.db.exec(
        select(QuestionSetVersion)
        .where(QuestionSetVersion.key == key)
        .order_by(col(QuestionSetVersion.version).desc())
    ).all()


def list_newest(tx: Transaction) -> Sequence[QuestionSetVersion]:
    """Return the newest version of every set that is not retired, ordered by key."""
    newest = NEWEST_VERSIONS.subquery()
    return tx.db.exec(
        select(QuestionSetVersion)
        .join(
            newest,
            (newest.c.key == QuestionSetVersion.key) & (newest.c.version == QuestionSetVersion.version),
        )
        .order_by(QuestionSetVersion.key)
    ).all()


def draft_of(tx: Transaction, key: str, *, lock: bool = False) -> QuestionSetDraft | None:
    """Return the draft with a key, locked for a change if `lock` is set; None if there is none."""
    draft = tx.db.get(QuestionSetDraft, key, with_for_update=lock or None)
    return draft if draft and draft.document is not None else None


def list_drafts(tx: Transaction) -> Sequence[QuestionSetDraft]:
    """Return all drafts, ordered by key."""
    has_document = col(QuestionSetDraft.document).is_not(None)
    return tx.db.exec(select(QuestionSetDraft).where(has_document).order_by(QuestionSetDraft.key)).all()


def newest_hashes(tx: Transaction) -> dict[str, str | None]:
    """Return the content hash of the newest version of every set, by the key of the set.

    The hash is None if that version is not a built-in one, or if it is retired.
    """
    table = QuestionSetVersion
    statement = select(table.key, table.content_hash, table.builtin, table.status).order_by(
        col(table.version)
    )
    return {
        key: content_hash if builtin and status == "published" else None
        for key, content_hash, builtin, status in tx.db.exec(statement.order_by(col(table.version)))
    }


def list_all(tx: Transaction) -> Sequence[QuestionSetVersion]:
    """Return all versions of all sets, retired ones too, ordered by key and then newest first."""
    statement = select(QuestionSetVersion)
    statement = statement.order_by(QuestionSetVersion.key, col(QuestionSetVersion.version).desc())
    return tx.db.exec(statement).all()


def newest_versions(tx: Transaction) -> list[tuple[str, int]]:
    """Return the key and number of the newest version of every set that is not retired."""
    return [(key, version) for key, version in tx.db.exec(NEWEST_VERSIONS)]


@lru_cache
def split_name(name: str) -> tuple[str, int | None] | None:
    """Return the key and number of "key@n", or the key and None of "key"; None for any other text."""
    if not re.fullmatch(SET_NAME, name):
        return None
    key, _, version = name.partition("@")
    return key, int(version) if version else None


def read_name(name: str, where: Where, field: str = "/question_set") -> tuple[str, int | None]:
    """Return the key and number of a name in a request, as `split_name` does.

    Raises INVALID_REQUEST for the pointer `field` if it is not a valid name.
    """
    parts = split_name(name)
    if parts is None:
        raise invalid_field(field, "invalid", 'send "key" or "key@version"', where)
    return parts


def unknown_question_set(where: Where = "body", field: str = "/question_set") -> Problem:
    """Return an INVALID_REQUEST problem for a request that names an unknown question set or version."""
    detail = "no such question set or version is published: name one from the list of question sets"
    return invalid_field(field, "unknown_question_set", detail, where)
