"""Turn versions, drafts and differences of question sets into responses."""

import json
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

# The key and the origin do not count as differences; questions are compared one by one, and steps separately.
EXCLUDED_FIELDS = {"key", "extends", "steps"}
MAX_DRAFT_FLAWS = 100


def difference(before: tuple[str, QuestionSet], after: tuple[str, QuestionSet]) -> Difference:
    """Return the difference between two sets, each given with its name."""
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


def difference_lines(found: Difference) -> Iterator[str]:
    """Yield a line for each change: "~ budget.weight: 1 → 2", "+ budget: …" or "- budget: …"."""
    for field in found.fields:
        yield f"~ {field.field}: {_json(field.before)} → {_json(field.after)}"
    for question in found.questions:
        if question.change == "changed":
            for field in question.fields:
                yield f"~ {question.question}.{field.field}: {_json(field.before)} → {_json(field.after)}"
        else:
            text = next(field for field in question.fields if field.field == "text")
            sign, wording = ("+", text.after) if question.change == "added" else ("-", text.before)
            yield f"{sign} {question.question}: {wording}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


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
    """Return every question by its key, with its step and the key of the question before it in the step."""
    questions = {}
    for step in definition["steps"]:
        follows = None
        for question in step["questions"]:
            questions[question["key"]] = {**question, "step": step["key"], "follows": follows}
            follows = question["key"]
    return questions


def _moved(before: list[str], after: list[str]) -> set[str]:
    """Return the shared questions whose order differs. Added and omitted questions do not move the others."""
    old_order, new_order = [key for key in before if key in after], [key for key in after if key in before]
    blocks = SequenceMatcher(None, old_order, new_order, autojunk=False).get_matching_blocks()
    return set(old_order) - {key for block in blocks for key in old_order[block.a : block.a + block.size]}


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
    """Return a version as an entry of a list."""
    described = {name: version.definition.get(name) for name in ("title", "subject", "combine", "extends")}
    return QuestionSetSummary.model_validate(
        version.model_dump(include=set(QuestionSetSummary.model_fields)) | described
    )


def version_out(
    tx: Transaction, version: QuestionSetVersion | None, diff: str | None
) -> QuestionSetVersionOut:
    """Return the response for a version, with its difference from the version that `diff` names, if any.

    Raises NOT_FOUND if `version` is None, and INVALID_REQUEST for an unknown `diff`.
    """
    if version is None:
        raise missing("question set or version with that name")
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
    """Return the difference of a set called `name` from the version that `diff` names; None without `diff`.

    Raises INVALID_REQUEST if there is no version with that name.
    """
    if diff is None:
        return None
    read_name(diff, "query", "/diff")
    other = question_set_queries.find_set(tx, diff)
    if other is None:
        raise unknown_question_set("query", "/diff")
    return difference((diff, other), (name, question_set))


def draft_out(tx: Transaction, draft: QuestionSetDraft, diff: str | None) -> DraftOut:
    """Return the response for a draft; `diff` is as in `version_out`, and ignored if the draft has flaws."""
    question_set, flaws = question_sets.read_draft(tx, draft)
    return DraftOut(
        key=draft.key,
        revision=draft.revision,
        saved_at=draft.saved_at,
        saved_by=draft.saved_by,
        document=draft.document or {},
        publishable=question_set is not None,
        flaws=[
            DraftFlaw(pointer=flaw.pointer, code=flaw.kind, detail=flaw.detail)
            for flaw in flaws[:MAX_DRAFT_FLAWS]
        ],
        flaw_count=len(flaws),
        definition=question_set,
        ancestry=question_set_queries.ancestry(tx, question_set) if question_set else [],
        difference=difference_from(tx, diff, f"{draft.key}@draft", question_set) if question_set else None,
    )
