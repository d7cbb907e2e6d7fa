"""The JSON Schema of a question set's file, held against what is read and written."""

import json
import re
from copy import deepcopy

import pytest
from jsonschema import Draft202012Validator

from app.question_sets.builtin_sets import BUILTIN
from app.question_sets.documents import read_document
from app.question_sets.files import as_yaml
from app.question_sets.reader import read_yaml
from app.scoring import Flawed, pointer, read_question_set
from tests.api.calls import ok
from tests.conftest import ROOT

SCHEMA = json.loads((ROOT / "docs" / "question-set.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
FILES = sorted([*BUILTIN.glob("*.yaml"), *(ROOT / "docs" / "examples").glob("*.yaml")])
GONE = object()

ADVICE = {
    "high_high": "Invest.",
    "high_low": "Maintain.",
    "low_high": "Manage for cash.",
    "low_low": "Withdraw.",
}
WHOLE = {
    "key": "ours",
    "title": "Ours",
    "extends": "base@1",
    "description": "All that a set can say.",
    "subject": "prospect",
    "scale": {"min": 1, "max": 5, "labels": [{"rating": 1, "text": "least"}]},
    "combine": "weighted",
    "dimensions": [
        {"key": "need", "title": "Need", "if_weak": "they need too little"},
        {"key": "trust", "title": "Trust"},
    ],
    "thresholds": {"fit_at": 60, "no_fit_below": 50},
    "grades": [{"at": 60, "grade": "A"}, {"at": 50, "grade": "B"}, {"at": 0, "grade": "C"}],
    "portfolio": {"x": "need", "y": "trust", "cut_at": 50, "advice": ADVICE},
    "attributes": {"employees": "number", "industry": "text"},
    "for": {"industry": {"in": ["retail", "ore"], "not_in": ["bank"]}},
    "priority": 3,
    "steps": [
        {
            "key": "only",
            "title": "Only",
            "gated": False,
            "questions": [
                {
                    "key": "budget",
                    "label": "the money",
                    "text": "What can they spend?",
                    "guidance": "Ask late.",
                    "dimension": "need",
                    "weight": 2,
                    "anchors": [{"rating": 1, "text": "Nothing."}],
                    "must_reach": 2,
                    "if_missed": "mixed",
                    "ask_when": {"employees": {"at_least": 10, "below": 99.5, "exists": True}},
                    "rate_from": {
                        "attribute": "employees",
                        "bands": [{"below": 20, "rating": 1}, {"rating": 5}],
                    },
                    "stale_after_days": 30,
                },
                {
                    "key": "trade",
                    "text": "What do they do?",
                    "dimension": "trust",
                    "ask_when": {"industry": {"equals": "ore"}},
                    "rate_from": {
                        "attribute": "industry",
                        "values": [{"equals": "ore", "rating": 5}],
                        "otherwise": 2,
                    },
                },
            ],
        }
    ],
}
BASE = read_question_set(
    {name: value for name, value in WHOLE.items() if name != "extends"} | {"key": "base"}
)
VARIANT = {
    "key": "lean",
    "extends": "base@1",
    "title": "Lean",
    "description": "All that a variant can say.",
    "dimensions": [
        {"key": "need", "title": "Needs", "if_weak": "they need little"},
        {"key": "trust", "title": "Trust"},
    ],
    "thresholds": {"fit_at": 70, "no_fit_below": 40},
    "grades": [{"at": 70, "grade": "A"}, {"at": 40, "grade": "B"}, {"at": 0, "grade": "C"}],
    "portfolio": {"x": "trust", "y": "need", "cut_at": 70, "advice": ADVICE},
    "attributes": {"partner": "boolean"},
    "for": {"partner": {"equals": True}},
    "priority": 5,
    "omit": ["trade"],
    "add": [
        {"after": "budget", "question": {"key": "term", "text": "How long?", "dimension": "need"}},
        {"before": "budget", "question": {"key": "aim", "text": "What for?", "dimension": "need"}},
        {"step": "only", "question": {"key": "risk", "text": "What if not?", "dimension": "trust"}},
    ],
    "change": {
        "budget": {
            "label": "money",
            "text": "How much?",
            "guidance": None,
            "weight": 3,
            "anchors": [{"rating": 5, "text": "All."}],
            "must_reach": 3,
            "if_missed": "no_fit",
            "ask_when": {"partner": {"exists": False}},
            "rate_from": {"attribute": "employees", "bands": [{"rating": 5}]},
            "stale_after_days": 10,
        }
    },
}
BOTH = pytest.mark.parametrize("document", [WHOLE, VARIANT], ids=["whole", "variant"])


def refused_by_reading(document):
    """The flaws that reading finds, none if it takes the document."""
    try:
        read_document(document, {"base@1": BASE}.get)
    except Flawed as error:
        return error.flaws
    return ()


def refused_by_schema(document):
    """The places that the schema does not take, as pointers."""
    return {place for error in VALIDATOR.iter_errors(document) for place in places(error)}


def places(error):
    # A null is one way to say it: what matters is what is wrong with the other ways.
    inside = [one for one in error.context if one.validator != "type" or one.relative_path]
    if inside:
        return {place for one in inside for place in places(one)}
    at = list(error.absolute_path)
    if error.validator == "required":
        return {pointer(*at, name) for name in error.validator_value if name not in error.instance}
    if error.validator == "additionalProperties":
        return {pointer(*at, name) for name in error.instance if not is_known(name, error.schema)}
    return {pointer(*at)}


def is_known(name, schema):
    patterns = schema.get("patternProperties", {})
    return name in schema.get("properties", {}) or any(re.search(pattern, name) for pattern in patterns)


def with_changes(document, changes):
    """A copy with values put at pointers, or taken away."""
    document = deepcopy(document)
    for place, value in changes.items():
        *parts, last = [int(part) if part.isdigit() else part for part in place.split("/")[1:]]
        inside = document
        for part in parts:
            inside = inside[part]
        if value is GONE:
            del inside[last]
        else:
            inside[last] = value
    return document


def test_it_is_a_valid_schema_of_its_draft():
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(SCHEMA)


def test_a_running_service_has_it(client):
    assert ok(client.get("/question-set.schema.json")) == SCHEMA


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_takes_every_file_that_comes_with_the_service(path):
    assert refused_by_schema(read_yaml(path.read_text("utf-8")).value) == set()


@BOTH
def test_it_takes_all_that_can_be_said(document):
    assert refused_by_reading(document) == ()
    assert refused_by_schema(document) == set()


@BOTH
def test_it_takes_what_is_exported(document):
    whole = read_document(document, {"base@1": BASE}.get)
    assert refused_by_schema(read_yaml(as_yaml(whole.canonical())).value) == set()


@pytest.mark.parametrize("key", ["bant", "qualifying-a-sale"])
def test_a_version_as_it_is_told_is_taken_and_can_be_a_draft(client, key):
    told = ok(client.get(f"/v1/question-sets/{key}"))["definition"]
    assert refused_by_schema(told) == set()
    saved = client.put(f"/v1/question-sets/told-{key}/draft", json=told | {"key": f"told-{key}"})
    assert ok(saved)["flaws"] == []


QUESTION, OTHER = "/steps/0/questions/0", "/steps/0/questions/1"
BROKEN = {
    "title of another type": (WHOLE, {"/title": 5}, "/title"),
    "no title": (WHOLE, {"/title": GONE}, "/title"),
    "no title, no combine": (WHOLE, {"/title": GONE, "/combine": GONE}, "/title", "/combine"),
    "empty title": (WHOLE, {"/title": ""}, "/title"),
    "long title": (WHOLE, {"/title": "x" * 201}, "/title"),
    "unknown field": (WHOLE, {"/colour": "red"}, "/colour"),
    "unknown field of a question": (WHOLE, {f"{QUESTION}/wieght": 2}, f"{QUESTION}/wieght"),
    "set key": (WHOLE, {"/key": "Ours"}, "/key"),
    "question key": (WHOLE, {f"{QUESTION}/key": "the-budget"}, f"{QUESTION}/key"),
    "weight over 100": (WHOLE, {f"{QUESTION}/weight": 101}, f"{QUESTION}/weight"),
    "negative weight": (WHOLE, {f"{QUESTION}/weight": -1}, f"{QUESTION}/weight"),
    "weight in words": (WHOLE, {f"{QUESTION}/weight": "heavy"}, f"{QUESTION}/weight"),
    "weight of a half": (WHOLE, {f"{QUESTION}/weight": 0.5}, f"{QUESTION}/weight"),
    "weight that is true": (WHOLE, {f"{QUESTION}/weight": True}, f"{QUESTION}/weight"),
    "how to combine": (WHOLE, {"/combine": "summed"}, "/combine"),
    "subject": (WHOLE, {"/subject": "somebody"}, "/subject"),
    "no steps at all": (WHOLE, {"/steps": []}, "/steps"),
    "step without questions": (WHOLE, {"/steps/0/questions": []}, "/steps/0/questions"),
    "too many dimensions": (WHOLE, {"/dimensions": WHOLE["dimensions"] * 51}, "/dimensions"),
    "half of the thresholds": (WHOLE, {"/thresholds/fit_at": GONE}, "/thresholds/fit_at"),
    "threshold of 0": (WHOLE, {"/thresholds/no_fit_below": 0}, "/thresholds/no_fit_below"),
    "grade over 100": (WHOLE, {"/grades/0/at": 101}, "/grades/0/at"),
    "cut of 0": (WHOLE, {"/portfolio/cut_at": 0}, "/portfolio/cut_at"),
    "cut over 100": (WHOLE, {"/portfolio/cut_at": 101}, "/portfolio/cut_at"),
    "cut of a half": (WHOLE, {"/portfolio/cut_at": 49.5}, "/portfolio/cut_at"),
    "no cut": (WHOLE, {"/portfolio/cut_at": GONE}, "/portfolio/cut_at"),
    "one axis": (WHOLE, {"/portfolio/y": GONE}, "/portfolio/y"),
    "a third axis": (WHOLE, {"/portfolio/z": "need"}, "/portfolio/z"),
    "axis that is no name": (VARIANT, {"/portfolio/x": "The need"}, "/portfolio/x"),
    "no advice": (WHOLE, {"/portfolio/advice": GONE}, "/portfolio/advice"),
    "advice in one text": (WHOLE, {"/portfolio/advice": "Invest."}, "/portfolio/advice"),
    "advice for three cells": (WHOLE, {"/portfolio/advice/low_low": GONE}, "/portfolio/advice/low_low"),
    "blank advice": (WHOLE, {"/portfolio/advice/low_low": " "}, "/portfolio/advice/low_low"),
    "long advice": (WHOLE, {"/portfolio/advice/low_low": "x" * 201}, "/portfolio/advice/low_low"),
    "type of an attribute": (WHOLE, {"/attributes/employees": "integer"}, "/attributes/employees"),
    "name of an attribute": (WHOLE, {"/attributes/Region": "text"}, "/attributes/Region"),
    "name in a condition": (WHOLE, {"/for/Region": {"equals": "north"}}, "/for/Region"),
    "for nobody": (WHOLE, {"/for": {}}, "/for"),
    "priority": (WHOLE, {"/priority": 1001}, "/priority"),
    "operator": (
        WHOLE, {f"{QUESTION}/ask_when/employees/over": 9}, f"{QUESTION}/ask_when/employees/over"
    ),
    "in nothing": (WHOLE, {"/for/industry/in": []}, "/for/industry/in"),
    "equal to a list": (
        WHOLE, {f"{OTHER}/ask_when/industry/equals": ["ore"]}, f"{OTHER}/ask_when/industry/equals"
    ),
    "at least a text": (
        WHOLE, {f"{QUESTION}/ask_when/employees/at_least": "10"}, f"{QUESTION}/ask_when/employees/at_least"
    ),
    "rule without an attribute": (
        WHOLE, {f"{QUESTION}/rate_from/attribute": GONE}, f"{QUESTION}/rate_from/attribute"
    ),
    "band without a rating": (
        WHOLE, {f"{QUESTION}/rate_from/bands/1/rating": GONE}, f"{QUESTION}/rate_from/bands/1/rating"
    ),
    "no bands": (WHOLE, {f"{QUESTION}/rate_from/bands": []}, f"{QUESTION}/rate_from/bands"),
    "value that is a number": (
        WHOLE, {f"{OTHER}/rate_from/values/0/equals": 7}, f"{OTHER}/rate_from/values/0/equals"
    ),
    "stale at once": (WHOLE, {f"{QUESTION}/stale_after_days": 0}, f"{QUESTION}/stale_after_days"),
    "made from no version": (WHOLE, {"/extends": "base"}, "/extends"),
    "variant of no version": (VARIANT, {"/extends": "base"}, "/extends"),
    "variant with a scale": (VARIANT, {"/scale": {"min": 1, "max": 5}}, "/scale"),
    "variant without a key": (VARIANT, {"/key": GONE}, "/key"),
    "title that is null": (VARIANT, {"/title": None}, "/title"),
    "text for a list": (VARIANT, {"/omit": "trade"}, "/omit"),
    "omitted number": (VARIANT, {"/omit/0": 5}, "/omit/0"),
    "nothing added": (VARIANT, {"/add/0/question": GONE}, "/add/0/question"),
    "added with a weight": (VARIANT, {"/add/0/question/weight": 101}, "/add/0/question/weight"),
    "added without a text": (VARIANT, {"/add/2/question/text": GONE}, "/add/2/question/text"),
    "added somewhere": (VARIANT, {"/add/0/behind": "budget"}, "/add/0/behind"),
    "changed dimension": (VARIANT, {"/change/budget/dimension": "worth"}, "/change/budget/dimension"),
    "changed weight": (VARIANT, {"/change/budget/weight": "heavy"}, "/change/budget/weight"),
    "weight that is null": (VARIANT, {"/change/budget/weight": None}, "/change/budget/weight"),
    "changed nobody": (VARIANT, {"/change/Budget": {"weight": 2}}, "/change/Budget"),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_it_refuses_what_reading_refuses_and_there(broken):
    document, changes, *expected = BROKEN[broken]
    document = with_changes(document, changes)
    assert {flaw.pointer for flaw in refused_by_reading(document)} == set(expected)
    assert refused_by_schema(document) == set(expected)


@pytest.mark.parametrize("document", [None, 5, "ours", [], [WHOLE]])
def test_what_is_no_object_is_refused(document):
    assert [flaw.pointer for flaw in refused_by_reading(document)] == [""]
    assert refused_by_schema(document) == {""}


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        (WHOLE, {"/thresholds/fit_at": 40}),
        (WHOLE, {f"{QUESTION}/dimension": "worth"}),
        (WHOLE, {f"{OTHER}/key": "budget"}),
        (VARIANT, {"/omit/0": "nothing"}),
        (VARIANT, {"/add/0/before": "budget"}),
    ],
    ids=["thresholds", "dimension", "used twice", "unknown question", "two places"],
)
def test_what_must_hold_between_the_parts_is_found_by_reading_alone(document, changes):
    document = with_changes(document, changes)
    assert refused_by_reading(document)
    assert refused_by_schema(document) == set()


# What reading says of a shape, wherever it is; `invalid` may also be what must hold between the parts.
OF_SHAPE = {
    *("missing", "unknown_field", "wrong_type", "bad_format", "not_allowed"),
    *("out_of_range", "too_long", "too_short"),
}
OTHERS = [GONE, None, True, -1, 7, 1000, "", "x", "X y", [], ["x"], {}, {"x": 1}, {"X": {}}]


def everywhere(value, at=""):
    """The pointer to every part of a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield f"{at}/{name}"
        yield from everywhere(part, f"{at}/{name}")


@BOTH
def test_whatever_stands_anywhere_both_take_it_or_none(document):
    for place in everywhere(document):
        for other in OTHERS:
            changed = with_changes(document, {place: other})
            kinds = {flaw.kind for flaw in refused_by_reading(changed)}
            if refused_by_schema(changed):
                assert kinds, (place, other)
            else:
                assert not kinds & OF_SHAPE, (place, other, kinds)
