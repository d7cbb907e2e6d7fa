"""Question sets as callers see them: versions, drafts and differences."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from app.db import Transaction
from app.problems import missing
from app.question_sets import queries as question_set_queries
from app.question_sets import service as question_sets
from app.question_sets.queries import read_name, unknown_question_set
from app.question_sets.schemas import (
    Difference,
    DraftFlaw,
    DraftOut,
    FieldDifference,
    QuestionDifference,
    QuestionSetSummary,
    QuestionSetVersionOut,
)
from app.question_sets.tables import QuestionSetDraft, QuestionSetVersion
from app.scoring import QuestionSet

# What says nothing about how two sets differ, or is told question by question.
EXCLUDED_FIELDS = {"key", "extends", "steps"}
MAX_FLAWS = 100


def difference(before: tuple[str, QuestionSet], after: tuple[str, QuestionSet]) -> Difference:
    """What differs between two sets, each with how to call it."""
    old, new = before[1].canonical(), after[1].canonical()
    return Difference(
        before=before[0],
        after=after[0],
        fields=[
            *_fields(_without(old, EXCLUDED_FIELDS), _without(new, EXCLUDED_FIELDS)),
            *_step_fields(old, new),
        ],
        questions=list(_questions(old, new)),
    )


def _questions(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[QuestionDifference]:
    before, after = _by_key(old), _by_key(new)
    moved = _moved(list(before), list(after))
    for key, question in before.items():
        if key not in after:
            yield QuestionDifference(question=key, change="omitted", fields=list(_fields(question, {})))
    for key, question in after.items():
        if key not in before:
            yield QuestionDifference(question=key, change="added", fields=list(_fields({}, question)))
            continue
        places = set() if key in moved else {"follows"}
        fields = list(_fields(_without(before[key], places), _without(question, places)))
        if fields:
            yield QuestionDifference(question=key, change="changed", fields=fields)


def _by_key(definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every question by its key, with its step and the question that it follows there."""
    found = {}
    for step in definition["steps"]:
        follows = None
        for question in step["questions"]:
            found[question["key"]] = {**question, "step": step["key"], "follows": follows}
            follows = question["key"]
    return found


def _moved(before: list[str], after: list[str]) -> set[str]:
    """The questions of both that stand in another order; where others came and went, none moved."""
    both = [key for key in before if key in after], [key for key in after if key in before]
    blocks = SequenceMatcher(None, *both, autojunk=False).get_matching_blocks()
    return set(both[0]) - {key for block in blocks for key in both[0][block.a : block.a + block.size]}


def _step_fields(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[FieldDifference]:
    before, after = (
        {
            f"steps.{step['key']}.{name}": value
            for step in definition["steps"]
            for name, value in step.items()
            if name not in ("key", "questions")
        }
        for definition in (old, new)
    )
    yield from _fields(before, after)


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldDifference]:
    for field in {**before, **after}:
        if field != "key" and before.get(field) != after.get(field):
            yield FieldDifference(field=field, before=before.get(field), after=after.get(field))


def _without(fields: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def version_summary(version: QuestionSetVersion) -> QuestionSetSummary:
    described = {name: version.definition.get(name) for name in ("title", "subject", "combine", "extends")}
    return QuestionSetSummary.model_validate(
        version.model_dump(include=set(QuestionSetSummary.model_fields)) | described
    )


def version_out(
    tx: Transaction, version: QuestionSetVersion | None, diff: str | None
) -> QuestionSetVersionOut:
    """A version as the caller sees it; raises NOT_FOUND if it is none."""
    if version is None:
        raise missing("question set or version of that key")
    question_set = QuestionSet.model_validate(version.definition)
    return QuestionSetVersionOut(
        **version.model_dump(exclude={"builtin", "definition"}),
        definition=question_set,
        ancestry=question_set_queries.ancestry(tx, question_set),
        difference=difference_from(tx, diff, version.name, question_set),
    )


def difference_from(
    tx: Transaction, diff: str | None, name: str, question_set: QuestionSet
) -> Difference | None:
    """What is different from the version that `diff` names, if it names one; raises INVALID_REQUEST."""
    if diff is None:
        return None
    read_name(diff, "query", "/diff")
    other = question_set_queries.find_set(tx, diff)
    if other is None:
        raise unknown_question_set("query", "/diff")
    return difference((diff, other), (name, question_set))


def draft_out(tx: Transaction, draft: QuestionSetDraft, diff: str | None) -> DraftOut:
    question_set, flaws = question_sets.read_draft(tx, draft)
    return DraftOut(
        key=draft.key,
        revision=draft.revision,
        saved_at=draft.saved_at,
        saved_by=draft.saved_by,
        document=draft.document or {},
        publishable=question_set is not None,
        flaws=[
            DraftFlaw(pointer=flaw.pointer, code=flaw.kind, detail=flaw.detail) for flaw in flaws[:MAX_FLAWS]
        ],
        flaw_count=len(flaws),
        definition=question_set,
        ancestry=question_set_queries.ancestry(tx, question_set) if question_set else [],
        difference=difference_from(tx, diff, f"{draft.key}@draft", question_set) if question_set else None,
    )
