"""What is different between two question sets, question by question."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Annotated, Any, Literal

from pydantic import Field

from app.scoring import QuestionSet
from app.wire import Out

# What says nothing about how two sets differ, or is told question by question.
APART = {"key", "extends", "steps"}


class FieldDifference(Out):
    """One field that differs; null where a side does not have it."""

    field: str
    before: Any
    after: Any


class QuestionDifference(Out):
    """One question that differs, with all its fields where it is there on one side only."""

    question: str
    change: Literal["added", "omitted", "changed"]
    fields: list[FieldDifference]


class Difference(Out):
    """What has to be done to the one set to get the other."""

    before: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    after: Annotated[str, Field(examples=["staffing@1"])]
    fields: Annotated[list[FieldDifference], Field(description="of the set, and of its steps")]
    questions: Annotated[list[QuestionDifference], Field(description="omitted ones first, then in order")]


def difference(before: tuple[str, QuestionSet], after: tuple[str, QuestionSet]) -> Difference:
    """What differs between two sets, each with how to call it."""
    old, new = before[1].canonical(), after[1].canonical()
    return Difference(
        before=before[0],
        after=after[0],
        fields=[*_fields(_without(old, APART), _without(new, APART)), *_step_fields(old, new)],
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
