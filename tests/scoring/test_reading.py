"""Reading what callers send: answers that fit their set, attributes of their declared type."""

import pytest
from pydantic import TypeAdapter, ValidationError

from app.scoring import (
    Answer,
    Flawed,
    Rating,
    Sent,
    ratings_sent,
    read_answers,
    read_attributes,
    read_question_set,
    read_stored,
)
from tests.scoring.building import NOT_APPLICABLE, UNKNOWN, question, step, weighted

SET = read_question_set(
    weighted(
        step("all", question("need"), question("price")),
        step("rapport", question("trust"), gated=True),
        scale={"min": 0, "max": 3},
        attributes={"employees": "number", "industry": "text", "partner": "boolean"},
    )
)


def flaws_of_answers(*sent):
    with pytest.raises(Flawed) as refused:
        read_answers(SET, [Sent(*one) for one in sent])
    return [(flaw.pointer, flaw.kind) for flaw in refused.value.flaws]


def test_answers_are_read_by_question_those_of_gated_steps_too():
    sent = [("/a", "need", Answer("rated", 0)), ("/b", "price", UNKNOWN), ("/c", "trust", NOT_APPLICABLE)]
    read = read_answers(SET, [Sent(*one) for one in sent])
    assert read == {"need": Answer("rated", 0), "price": UNKNOWN, "trust": NOT_APPLICABLE}


def test_a_map_of_ratings_is_sent_with_a_pointer_to_each():
    assert ratings_sent({"need": 3}) == [Sent("/ratings/need", "need", Answer("rated", 3))]
    assert ratings_sent({"a/b~c": 3}, at="/line")[0][0] == "/line/a~1b~0c"


def test_a_rating_is_a_whole_number_however_json_writes_it():
    rating = TypeAdapter(Rating)
    assert [rating.validate_python(sent) for sent in (4, 4.0, -2.0)] == [4, 4, -2]
    for sent in (4.5, "4", True, None, float("inf"), float("nan")):
        with pytest.raises(ValidationError):
            rating.validate_python(sent)


def test_an_unknown_question_is_a_flaw():
    assert flaws_of_answers(("/answers/0", "budget", UNKNOWN)) == [("/answers/0", "unknown_question")]


def test_a_question_answered_twice_is_a_flaw_even_when_both_say_the_same():
    sent = [("/ratings/need", "need", Answer("rated", 3)), ("/answers/0", "need", Answer("rated", 3))]
    assert flaws_of_answers(*sent) == [("/answers/0", "repeated")]


@pytest.mark.parametrize(
    "answer",
    [
        Answer("rated", -1),
        Answer("rated", 4),
        Answer("rated"),
        Answer("unknown", 2),
        Answer("not_applicable", 2),
    ],
    ids=str,
)
def test_a_rating_off_the_scale_missing_or_beside_another_state_is_a_flaw(answer):
    kind = "off_scale" if answer.state == "rated" else "contradiction"
    assert flaws_of_answers(("/answers/0", "need", answer, True)) == [("/answers/0/rating", kind)]
    assert flaws_of_answers(("/ratings/need", "need", answer)) == [("/ratings/need", kind)]


def test_all_flaws_of_answers_are_told_at_once():
    sent = [("/0", "budget", UNKNOWN), ("/1", "need", Answer("rated", 9)), ("/2", "price", UNKNOWN)]
    assert [pointer for pointer, _ in flaws_of_answers(*sent)] == ["/0", "/1"]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (4, 4),
        (4.0, 4),
        (4.5, 4.5),
        (-0.0, 0),
        ("4", 4),
        ("4.0", 4),
        ("-4.5", -4.5),
        ("4e3", 4000),
        ("1E-2", 0.01),
        (2**53, 2**53),
        (str(-(2**53)), -(2**53)),
        (" 4", 4),
        ("\u00a04.5\t\r\n", 4.5),
    ],
    ids=repr,
)
def test_a_number_is_read_from_json_and_from_a_text_that_is_only_one(sent, read):
    (value,) = read_attributes(SET, {"employees": sent}).values()
    assert (value, type(value)) == (read, type(read))


@pytest.mark.parametrize(
    "sent",
    [
        True,
        False,
        [4],
        {"number": 4},
        float("inf"),
        float("-inf"),
        float("nan"),
        2**53 + 1,
        -(2**53) - 1,
        1e300,
        "4 5",
        "- 4",
        "4\v",
        "4\u2009",
        "+4",
        "04",
        ".5",
        "4.",
        "4,5",
        "1_000",
        "0x10",
        "٤",
        "many",
        "Infinity",
        "NaN",
        "1e999",
        str(2**53 + 1),
        "9" * 5000,
    ],
    ids=lambda sent: repr(sent)[:20],
)
def test_what_is_not_a_number_is_refused_where_one_is_declared(sent):
    assert flaws_of_attributes({"employees": sent}) == ["/employees"]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("industry", 4),
        ("industry", True),
        ("industry", ["retail"]),
        ("partner", 1),
        ("partner", "true"),
    ],
)
def test_texts_and_truths_are_not_made_of_anything_else(name, sent):
    assert flaws_of_attributes({name: sent}) == [f"/{name}"]


def flaws_of_attributes(sent):
    with pytest.raises(Flawed) as refused:
        read_attributes(SET, sent, at="")
    return [flaw.pointer for flaw in refused.value.flaws]


def test_null_is_absent_and_what_the_set_does_not_declare_is_left_out():
    sent = {"employees": None, "industry": "ore ", "partner": False, "phone": object()}
    assert read_attributes(SET, sent) == {"industry": "ore ", "partner": False}


@pytest.mark.parametrize("name", ["employees", "industry", "partner"])
@pytest.mark.parametrize("nothing", ["", "  ", "\u00a0\n"], ids=repr)
def test_a_text_that_says_nothing_is_absent_whatever_is_declared(name, nothing):
    assert read_attributes(SET, {name: nothing}) == {}


def test_what_is_stored_and_cannot_be_read_is_missing_and_the_rest_is_read():
    known, unread = read_stored(SET, {"employees": "many", "industry": "ore", "partner": 1})
    assert (known, unread) == ({"industry": "ore"}, {"employees": "number", "partner": "boolean"})


def test_flaws_of_attributes_are_told_at_once_and_by_default_under_attributes():
    with pytest.raises(Flawed) as refused:
        read_attributes(SET, {"employees": "many", "partner": "yes"})
    assert [flaw.pointer for flaw in refused.value.flaws] == ["/attributes/employees", "/attributes/partner"]
    assert "many" not in str(refused.value)
