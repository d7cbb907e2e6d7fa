"""Lines that are read without a model have the same content as by the model, or are left to the model."""

import json
import random

import pytest

from app.api.plain_lines import parse_plain, read_plain
from app.problems import Problem
from app.scoring import Plan, read_answers, read_question_set, read_stored
from app.sessions.requests import ScoreRequest
from app.strict_json import read_json
from tests.scoring.building import NOW, question, step, weighted

ATTRIBUTES = {"employees": "number", "industry": "text", "partner": "boolean"}
DEFINITION = weighted(step("only", question("need"), question("budget"))) | {"attributes": ATTRIBUTES}
PLAN = Plan(read_question_set(DEFINITION), "plain@1")
# A set whose questions use attributes.
LARGE = question("budget", ask_when={"employees": {"at_least": 2}})
PLAN_OF_LARGE = Plan(
    read_question_set(DEFINITION | weighted(step("only", question("need"), LARGE))), "large@1"
)
RATINGS = [1, 5, 0, 6, -1, 3.0, 2.5, True, False, None, "3", "", [], {}, 2**53 + 1]
VALUES = [1, 2.5, True, None, "", " ", "x", "12", "x" * 1000, "x" * 1001, 2**53, 2**53 + 1, [], {"a": 1}]


def lines():
    """Lines with one to three of these fields, and with values of all kinds."""
    dice = random.Random(19)
    names, keys = [*ATTRIBUTES, "other", "", "Employees"], ["need", "budget", "other", "", "Need"]
    for _ in range(3000):
        line = {
            "ratings": {dice.choice(keys[:2]): dice.randint(1, 5) for _ in range(2)},
            "attributes": {dice.choice(names[:3]): dice.choice(VALUES) for _ in range(2)},
        }
        if dice.random() < 0.3:
            line["ratings"][dice.choice(keys)] = dice.choice(RATINGS)
        if dice.random() < 0.2:
            line["attributes"][dice.choice(names)] = dice.choice(VALUES)
        if dice.random() < 0.1:
            line[dice.choice(["ratings", "attributes", "answers", "as_of", "mood"])] = dice.choice(VALUES)
        if dice.random() < 0.2:
            del line[dice.choice([*line])]
        yield line


@pytest.mark.parametrize("plan", [PLAN, PLAN_OF_LARGE])
def test_a_plain_line_has_the_same_content_as_by_the_model(plan):
    plain_lines = 0
    for line in lines():
        if plain := read_plain(plan, line):
            request = ScoreRequest.model_validate(line)
            answers = read_answers(plan.question_set, request.sent())
            read, by_the_model = (
                read_stored(plan.question_set, attributes)
                for attributes in (plain.attributes, request.attributes)
            )
            assert read == by_the_model
            if plan is PLAN:
                assert plain.states == plan.evaluate(answers, read.known, NOW)
            else:
                assert (plain.answers, plain.states) == (answers, None)
            plain_lines += 1
    assert 500 < plain_lines < 2500


@pytest.mark.parametrize("rating", [True, 3.0, "3", None, 0, 6, [3]])
def test_a_rating_that_is_no_integer_on_the_scale_is_left_to_the_model(rating):
    assert read_plain(PLAN, {"ratings": {"need": 3}})
    assert read_plain(PLAN, {"ratings": {"need": 3, "budget": rating}}) is None


@pytest.mark.parametrize(
    "line",
    [
        {"ratings": {"nobody_asks": 3}},
        {"attributes": {"nobody_asks": 3}},
        {"attributes": {"employees": 2**53 + 1}},
        {"attributes": {"industry": "x" * 1001}},
        {"attributes": {"industry": ["x"]}},
        {"ratings": {}, "answers": []},
        {"ratings": None},
    ],
)
def test_what_may_be_wrong_is_left_to_the_model(line):
    assert read_plain(PLAN, line) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"ratings": {"need": 3, "need": 4}}',
        b'{"ratings": {"need": 3}, "ratings": {"budget": 4}}',
        b'{"attributes": {"industry": "x", "industry": "y"}}',
        b'{"attributes": {"industry": "\\u0000"}}',
        b'{"attributes": {"industry": "\\ud800"}}',
        b'{"attributes": {"industry": "\xff"}}',
        b'{"attributes": {"employees": 9223372036854775808}}',
        b'{"attributes": {"employees": -99999999999999999999}}',
        b'{"attributes": {"employees": NaN}}',
        b'{"ratings": {"need": 9223372036854775808}}',
        b'{"ratings": {"need": 3}',
        b'{"ratings": {"need": 3}} {}',
        b'{"ratings": {"need": 03}}',
        b'{"x": ' + b"[" * 33 + b"]" * 33 + b"}",
        b'{"x": {"x": ' * 17 + b"1" + b"}}" * 17,
        b"",
    ],
)
def test_a_line_that_cannot_be_read_strictly_is_not_plain(line):
    with pytest.raises(Problem):
        read_json(line)
    sent = parse_plain(line)
    assert sent is None or read_plain(PLAN, sent) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"attributes": {"industry": "a:b"}}',
        b'{"attributes": {"industry": "a [b]"}}',
        b'{"attributes": {"industry": "a \\"b\\""}}',
        b'\xef\xbb\xbf{"ratings": {"need": 3}}',
        b'["ratings"]',
        b"3",
    ],
)
def test_a_line_whose_names_cannot_be_counted_is_left_to_the_strict_reader(line):
    assert read_json(line)
    assert parse_plain(line) is None


def test_a_plain_line_is_parsed_as_the_strict_reader_parses_it():
    for line in map(json.dumps, lines()):
        parsed = parse_plain(line.encode())
        assert parsed is None or parsed == read_json(line.encode())
    assert parse_plain(b' {"ratings": {"need" : 3}, "attributes": {"employees": 4.5}}\r') == {
        "ratings": {"need": 3},
        "attributes": {"employees": 4.5},
    }
