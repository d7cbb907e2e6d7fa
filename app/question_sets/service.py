"""Save drafts, publish them as numbered, immutable versions, and retire versions."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from app.db import Transaction, insert_if_new
from app.events.service import EventSubject, record_events
from app.problems import DRAFT_HAS_FLAWS, invalid_field, missing, problem_from_flaws, require_revision
from app.question_sets.documents import changed_meanings, read_document
from app.question_sets.queries import ancestry, find_set, list_versions
from app.question_sets.tables import QuestionSetDraft, QuestionSetVersion
from app.scoring import Flaw, Flawed, QuestionSet

MAX_VERSION = 999_999_999  # what a name, key@n, has room for


def content_hash(question_set: QuestionSet) -> str:
    """SHA-256 in hex of the canonical JSON: names sorted, no white space, UTF-8."""
    canonical = json.dumps(
        question_set.canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_definition(tx: Transaction, document: Any) -> QuestionSet:
    """The whole set that a document tells here, where it may extend what is published; raises `Flawed`."""
    said = document if isinstance(document, Mapping) else {}
    key, extends = said.get("key"), said.get("extends")
    earlier = [_named_version(version) for version in list_versions(tx, key)] if isinstance(key, str) else []
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
        same = _same_version(versions, wanted, number)
        if same:
            return same, False
        following = versions[0].version + 1 if versions else 1
        flaws = list(_meaning_flaws(question_set, versions))
        if number is not None and number < following:
            flaws.append(Flaw("/key", f"{question_set.key}@{number} is published already, or a later one is"))
        if (number or following) > MAX_VERSION:
            flaws.append(Flaw("/key", f"there is no version after {question_set.key}@{MAX_VERSION}"))
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
            record_events(tx, EventSubject(question_set=version.name), ["question_set.published"])
            return version, True


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
        record_events(tx, EventSubject(question_set=version.name), ["question_set.retired"])
    return version


def _same_version(
    versions: Iterable[QuestionSetVersion], wanted: str, number: int | None
) -> QuestionSetVersion | None:
    """The version that is there and says the same: the one of that number, or else the newest."""
    for known in versions:
        if known.version == number or (number is None and known.status == "published"):
            return known if known.content_hash == wanted else None
    return None


def _meaning_flaws(question_set: QuestionSet, versions: Iterable[QuestionSetVersion]) -> Iterable[Flaw]:
    for name, before in map(_named_version, versions):
        yield from changed_meanings(question_set, name, before)


def _named_version(version: QuestionSetVersion) -> tuple[str, QuestionSet]:
    return version.name, QuestionSet.model_validate(version.definition)


def find_draft(tx: Transaction, key: str, *, lock: bool = False) -> QuestionSetDraft:
    """The draft of that key, locked for a change if asked; raises NOT_FOUND."""
    draft = tx.db.get(QuestionSetDraft, key, with_for_update=lock or None)
    if draft is None or draft.document is None:
        raise missing("draft of that question set")
    return draft


def save_draft(
    tx: Transaction, key: str, document: Mapping[str, Any], seen: int | None, by: str
) -> QuestionSetDraft:
    """Save a document as the draft of that key, complete or not; the same one again changes nothing.

    `seen` is the revision that the author worked on, None for a new draft. Raises REVISION_REQUIRED
    or STALE_REVISION where that is not the draft that is there, INVALID_REQUEST for another key.
    """
    document = {"key": key, **document}
    if document["key"] != key:
        raise invalid_field("/key", "conflict", "the address names another question set: send its key")
    fresh = QuestionSetDraft(key=key, document=document, revision=1, saved_at=tx.at, saved_by=by)
    known = tx.db.get(QuestionSetDraft, key, with_for_update=True)
    if known is None and seen is None and insert_if_new(tx, QuestionSetDraft, fresh.model_dump()):
        return fresh
    known = known or tx.db.get(QuestionSetDraft, key, with_for_update=True)
    if known is None:
        raise missing("draft of that question set")
    if _canonical_text(known.document) == _canonical_text(document):
        return known
    if known.document is not None or seen is not None:
        require_revision("draft", known.revision, seen)
    return _save_document(tx, known, document, by)


def discard_draft(tx: Transaction, key: str, seen: int | None, by: str) -> None:
    """Throw a draft away. Raises NOT_FOUND, REVISION_REQUIRED and STALE_REVISION."""
    draft = find_draft(tx, key, lock=True)
    require_revision("draft", draft.revision, seen)
    _save_document(tx, draft, None, by)


def publish_draft(tx: Transaction, key: str, seen: int | None, by: str) -> tuple[QuestionSetVersion, bool]:
    """Make a draft the next version, once; whether the version is new.

    Raises NOT_FOUND, REVISION_REQUIRED, STALE_REVISION, and DRAFT_HAS_FLAWS with all of them.
    """
    draft = find_draft(tx, key, lock=True)
    require_revision("draft", draft.revision, seen)
    question_set = require_publishable(tx, draft)
    version, is_new = publish(tx, question_set)
    _save_document(tx, draft, None, by)
    return version, is_new


def require_publishable(tx: Transaction, draft: QuestionSetDraft) -> QuestionSet:
    """The whole set that a draft tells; raises DRAFT_HAS_FLAWS."""
    question_set, flaws = read_draft(tx, draft)
    if question_set is None:
        raise problem_from_flaws(DRAFT_HAS_FLAWS, flaws, "draft")
    return question_set


def read_draft(tx: Transaction, draft: QuestionSetDraft) -> tuple[QuestionSet | None, tuple[Flaw, ...]]:
    """The whole set that a draft tells, or else what is missing or wrong in it."""
    try:
        return read_definition(tx, draft.document or {}), ()
    except Flawed as error:
        return None, error.flaws


def _save_document(
    tx: Transaction, draft: QuestionSetDraft, document: dict[str, Any] | None, by: str
) -> QuestionSetDraft:
    draft.document, draft.revision = document, draft.revision + 1
    draft.saved_at, draft.saved_by = tx.at, by
    tx.db.add(draft)
    tx.db.flush()
    return draft


def _canonical_text(document: Mapping[str, Any] | None) -> str:
    # Compared as text, since Python calls 1 and true equal.
    return json.dumps(document, sort_keys=True)
