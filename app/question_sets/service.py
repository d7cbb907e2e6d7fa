"""Save drafts, publish them as numbered, immutable versions, and retire versions."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.db import Transaction, insert_if_new
from app.events.service import EventSubject, record_events
from app.problems import DRAFT_HAS_FLAWS, invalid_field, missing, problem_from_flaws, require_revision
from app.question_sets.documents import changed_meanings, read_document
from app.question_sets.queries import ancestry, draft_of, find_set, list_versions, newest_hashes
from app.question_sets.reader import InvalidYaml, TextError, read_yaml
from app.question_sets.tables import QuestionSetDraft, QuestionSetVersion
from app.scoring import Flaw, Flawed, QuestionSet

OTHER_KEY = "the address names another question set: use the key that is in the address"
MAX_VERSION = 999_999_999  # a name, "key@n", has at most nine digits


def content_hash(question_set: QuestionSet) -> str:
    """Return the SHA-256, in hex, of the canonical JSON: sorted names, no white space, UTF-8."""
    canonical = json.dumps(
        question_set.canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_definition(tx: Transaction, document: Any) -> QuestionSet:
    """Return the whole set that a document describes; it may extend a published version.

    Raises `Flawed` with pointers into the document, also if a question has another meaning than in an earlier
    version of the set or in a version that the set extends.
    """
    fields = document if isinstance(document, Mapping) else {}
    key, extends = fields.get("key"), fields.get("extends")
    earlier = [_named_version(version) for version in list_versions(tx, key)] if isinstance(key, str) else []
    base = find_set(tx, extends) if isinstance(extends, str) else None
    for name in ancestry(tx, base) if base else ():
        ancestor = find_set(tx, name)
        earlier += [(name, ancestor)] if ancestor else []
    return read_document(document, partial(find_set, tx), earlier)


def publish(
    tx: Transaction, question_set: QuestionSet, *, builtin: bool = False, number: int | None = None
) -> tuple[QuestionSetVersion, bool]:
    """Publish a set as its next version, unless the newest version has the same content.

    With a `number`, publishes it as that version, unless that version has the same content. Returns the
    version, and whether it is new. Raises `Flawed` if a question changes its meaning, or if that version or a
    later one exists.
    """
    digest = content_hash(question_set)
    while True:
        # Retired versions count for the next number. One query reads all versions, so that another
        # transaction cannot publish between two reads.
        versions = list_versions(tx, question_set.key)
        existing = _same_version(versions, digest, number)
        if existing:
            return existing, False
        following = versions[0].version + 1 if versions else 1
        flaws = list(_meaning_flaws(question_set, versions))
        if number is not None and number < following:
            flaws.append(Flaw("/key", f"{question_set.key}@{number} or a later version is already published"))
        if (number or following) > MAX_VERSION:
            flaws.append(Flaw("/key", f"there is no version after {question_set.key}@{MAX_VERSION}"))
        if flaws:
            raise Flawed(flaws)
        version = QuestionSetVersion(
            key=question_set.key,
            version=number or following,
            published_at=tx.at,
            content_hash=digest,
            builtin=builtin,
            definition=question_set.canonical(),
        )
        if insert_if_new(tx, QuestionSetVersion, version.model_dump()):
            record_events(tx, EventSubject(question_set=version.name), ["question_set.published"])
            return version, True


def publish_builtin(tx: Transaction, builtin: Iterable[QuestionSet]) -> list[QuestionSetVersion]:
    """Publish new built-in sets and new versions of them, and return the versions that are new.

    A built-in set stays as it is if its newest version was published by a team or is retired.
    """
    published = []
    newest = newest_hashes(tx)
    for question_set in builtin:
        stored = newest.get(question_set.key, "")
        if stored is not None and stored != content_hash(question_set):
            version, is_new = publish(tx, question_set, builtin=True)
            published += [version] if is_new else []
    return published


def retire(tx: Transaction, key: str, number: int) -> QuestionSetVersion:
    """Retire a version, so that no new session can use it. Raises NOT_FOUND.

    Existing sessions continue, and are scored with this version. Retiring it again changes nothing.
    """
    version = tx.db.get(QuestionSetVersion, (key, number), with_for_update=True)
    if version is None:
        raise missing("version with that number")
    if version.status != "retired":
        version.status = "retired"
        tx.db.add(version)
        tx.db.flush()
        record_events(tx, EventSubject(question_set=version.name), ["question_set.retired"])
    return version


def _same_version(
    versions: Iterable[QuestionSetVersion], digest: str, number: int | None
) -> QuestionSetVersion | None:
    """Return the version with this number, or the newest published one, if its content hash is `digest`."""
    for version in versions:
        if version.version == number or (number is None and version.status == "published"):
            return version if version.content_hash == digest else None
    return None


def _meaning_flaws(question_set: QuestionSet, versions: Iterable[QuestionSetVersion]) -> Iterable[Flaw]:
    for name, previous in map(_named_version, versions):
        yield from changed_meanings(question_set, name, previous)


def _named_version(version: QuestionSetVersion) -> tuple[str, QuestionSet]:
    return version.name, QuestionSet.model_validate(version.definition)


def find_draft(tx: Transaction, key: str, *, lock: bool = False) -> QuestionSetDraft:
    """Return the draft with a key, locked for a change if `lock` is true; raises NOT_FOUND."""
    draft = draft_of(tx, key, lock=lock)
    if draft is None:
        raise missing("draft of that question set")
    return draft


@dataclass(frozen=True, slots=True)
class DraftText:
    """A draft as an author writes it, in YAML, with its errors in the order of the text.

    `document` is None if the text cannot be saved, because it is not YAML or has no fields. `question_set` is
    the whole set that the text describes, and None if there are errors.
    """

    document: dict[str, Any] | None
    question_set: QuestionSet | None
    errors: Sequence[TextError]


def read_draft_text(tx: Transaction, key: str, text: str) -> DraftText:
    """Read and check the text of the draft with a key. A text without a `key` gets that one."""
    try:
        read = read_yaml(text)
    except InvalidYaml as error:
        return DraftText(None, None, error.errors)
    if not isinstance(read.value, dict):
        no_fields = Flaw("", "write the fields of a question set, such as title: Our questions")
        return DraftText(None, None, [read.error_of(no_fields)])
    document = {"key": key, **read.value}
    flaws = [] if document["key"] == key else [Flaw("/key", OTHER_KEY)]
    question_set = None
    try:
        question_set = read_definition(tx, document)
    except Flawed as error:
        flaws += error.flaws
    errors = sorted(map(read.error_of, flaws))
    return DraftText(document, None if errors else question_set, errors)


def save_draft(
    tx: Transaction,
    key: str,
    document: Mapping[str, Any],
    seen: int | None,
    by: str,
    text: str | None = None,
) -> QuestionSetDraft:
    """Save a document, complete or not, as the draft with a key. Saving the same document changes nothing.

    `seen` is the revision that the author edited, None for a new draft; `by` is the name of the API key or of
    the person. `text` is the YAML that the document was read from, None for JSON.
    Raises REVISION_REQUIRED or STALE_REVISION if `seen` is not the current revision, and INVALID_REQUEST if
    the document has another key.
    """
    document = {"key": key, **document}
    if document["key"] != key:
        raise invalid_field("/key", "conflict", OTHER_KEY)
    new = QuestionSetDraft(key=key, document=document, text=text, revision=1, saved_at=tx.at, saved_by=by)
    stored = tx.db.get(QuestionSetDraft, key, with_for_update=True)
    if stored is None and seen is None and insert_if_new(tx, QuestionSetDraft, new.model_dump()):
        return new
    stored = stored or tx.db.get(QuestionSetDraft, key, with_for_update=True)
    if stored is None:
        raise missing("draft of that question set")
    same_text = text in (None, stored.text)
    if same_text and _canonical_text(stored.document) == _canonical_text(document):
        return stored
    if stored.document is not None or seen is not None:
        require_revision("draft", stored.revision, seen)
    return _save_document(tx, stored, document, by, text)


def discard_draft(tx: Transaction, key: str, seen: int | None, by: str) -> None:
    """Discard a draft. Raises NOT_FOUND, REVISION_REQUIRED and STALE_REVISION."""
    draft = find_draft(tx, key, lock=True)
    require_revision("draft", draft.revision, seen)
    _save_document(tx, draft, None, by)


def publish_draft(tx: Transaction, key: str, seen: int | None, by: str) -> tuple[QuestionSetVersion, bool]:
    """Publish a draft as the next version, and remove the draft.

    Returns the version, and whether it is new. Raises NOT_FOUND, REVISION_REQUIRED, STALE_REVISION, and
    DRAFT_HAS_FLAWS with all flaws.
    """
    draft = find_draft(tx, key, lock=True)
    require_revision("draft", draft.revision, seen)
    question_set = require_publishable(tx, draft)
    version, is_new = publish(tx, question_set)
    _save_document(tx, draft, None, by)
    return version, is_new


def require_publishable(tx: Transaction, draft: QuestionSetDraft) -> QuestionSet:
    """Return the whole set that a draft describes; raises DRAFT_HAS_FLAWS."""
    question_set, flaws = read_draft(tx, draft)
    if question_set is None:
        raise problem_from_flaws(DRAFT_HAS_FLAWS, flaws, "draft")
    return question_set


def read_draft(tx: Transaction, draft: QuestionSetDraft) -> tuple[QuestionSet | None, tuple[Flaw, ...]]:
    """Return the whole set that a draft describes and no flaws, or None and the flaws of the draft."""
    try:
        return read_definition(tx, draft.document or {}), ()
    except Flawed as error:
        return None, error.flaws


def _save_document(
    tx: Transaction,
    draft: QuestionSetDraft,
    document: dict[str, Any] | None,
    by: str,
    text: str | None = None,
) -> QuestionSetDraft:
    draft.document, draft.text, draft.revision = document, text, draft.revision + 1
    draft.saved_at, draft.saved_by = tx.at, by
    tx.db.add(draft)
    tx.db.flush()
    return draft


def _canonical_text(document: Mapping[str, Any] | None) -> str:
    # Documents are compared as text, because Python treats 1 and true as equal.
    return json.dumps(document, sort_keys=True)
