"""Drafts: one for each key, saved as they are, published when nothing is missing."""

import json
from collections.abc import Mapping
from typing import Any

from app.db import Transaction, insert_if_new
from app.problems import DRAFT_HAS_FLAWS, flawed, invalid_field, missing, require_revision
from app.question_sets.publishing import publish, read_here
from app.question_sets.tables import QuestionSetDraft, QuestionSetVersion
from app.scoring import Flaw, Flawed, QuestionSet


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
    if _text(known.document) == _text(document):
        return known
    if known.document is not None or seen is not None:
        require_revision("draft", known.revision, seen)
    return _write(tx, known, document, by)


def discard_draft(tx: Transaction, key: str, seen: int | None, by: str) -> None:
    """Throw a draft away. Raises NOT_FOUND, REVISION_REQUIRED and STALE_REVISION."""
    draft = find_draft(tx, key, lock=True)
    require_revision("draft", draft.revision, seen)
    _write(tx, draft, None, by)


def publish_draft(tx: Transaction, key: str, seen: int | None, by: str) -> tuple[QuestionSetVersion, bool]:
    """Make a draft the next version, once; whether the version is new.

    Raises NOT_FOUND, REVISION_REQUIRED, STALE_REVISION, and DRAFT_HAS_FLAWS with all of them.
    """
    draft = find_draft(tx, key, lock=True)
    require_revision("draft", draft.revision, seen)
    question_set = require_publishable(tx, draft)
    version, is_new = publish(tx, question_set)
    _write(tx, draft, None, by)
    return version, is_new


def require_publishable(tx: Transaction, draft: QuestionSetDraft) -> QuestionSet:
    """The whole set that a draft tells; raises DRAFT_HAS_FLAWS."""
    question_set, flaws = read_draft(tx, draft)
    if question_set is None:
        raise flawed(DRAFT_HAS_FLAWS, flaws, "draft")
    return question_set


def read_draft(tx: Transaction, draft: QuestionSetDraft) -> tuple[QuestionSet | None, tuple[Flaw, ...]]:
    """The whole set that a draft tells, or else what is missing or wrong in it."""
    try:
        return read_here(tx, draft.document or {}), ()
    except Flawed as error:
        return None, error.flaws


def _write(
    tx: Transaction, draft: QuestionSetDraft, document: dict[str, Any] | None, by: str
) -> QuestionSetDraft:
    draft.document, draft.revision = document, draft.revision + 1
    draft.saved_at, draft.saved_by = tx.at, by
    tx.db.add(draft)
    tx.db.flush()
    return draft


def _text(document: Mapping[str, Any] | None) -> str:
    # Compared as text, since Python calls 1 and true equal.
    return json.dumps(document, sort_keys=True)
