"""Attributes in tables: texts that compare as equal, blank texts, and values that cannot be read."""

import pytest

from app.scoring import Plan, read_question_set
from app.scoring.sql import Wide, score_sql
from tests.scoring.building import question, step, weighted

# By hand: A to Z are equal to a to z, and five kinds of blanks do not count at the ends.
SAME = ["retail", "Retail", "RETAIL", " retail", "retail\t", "\r\n retail\u00a0 ", "\u00a0\t\nReTaIl\r"]
CAFE = ["café", "CAFé", "\u00a0Café "]
ALPHABET = ["abcdefghijklmnopqrstuvwxyz@[`{", "ABCDEFGHIJKLMNOPQRSTUVWXYZ@[`{"]
OTHERS = [
    "CAFÉ",
    "cafe",
    "caf\u0065\u0301",
    "re tail",
    "retail\u2003",
    "\u2009retail",
    "\u200bretail",
    "\u3000retail",
    "retail\u000b",
    "\u000cretail",
    "\u0085retail",
    "\ufeffretail",
    "reta\u0131l",
    "reta\u0130l",
    "RETA\u0130L",
    "\uff32etail",
    "retailx",
    "xretail",
]
KELVIN, LONG_S = ["kilo", "KILO", "Kilo"], ["site", "SITE"]
UNLIKE_ASCII = ["\u212ailo", "\u212aILO", "\u017fite", "\u017fITE", "\uff2bilo"]


def asking(*, when=None, rule=None, **attributes):
    """Two questions; the first one has this condition and this rule."""
    first = question("first", ask_when=when or {}, **({"rate_from": rule} if rule else {}))
    asked = weighted(step("all", first, question("second")), attributes=attributes)
    return Plan(read_question_set(asked), "asking@1")


def run(engine, plan, columns, values):
    """The rows of a table with nothing but attributes, in their order."""
    engine.make(
        "accounts",
        {"id": "BIGINT", "first": "SMALLINT", "second": "SMALLINT"} | columns,
        [[number, None, None, *row] for number, row in enumerate(values)],
    )
    statement = score_sql(plan, Wide("accounts"), engine.dialect)
    return sorted(engine.run(statement), key=lambda row: row["id"])


def rated(engine, rule, texts, type_=None):
    """What a rule on the industry rates each of these texts."""
    plan = asking(rule={"attribute": "industry", **rule}, industry="text")
    rows = run(engine, plan, {"industry": type_ or engine.text}, [[text] for text in texts])
    return [row["points"] if row["rated"] else None for row in rows]


def asked(engine, condition, texts):
    """Whether the first question is asked, for each of these industries."""
    plan = asking(when={"industry": condition}, industry="text")
    rows = run(engine, plan, {"industry": engine.text}, [[text] for text in texts])
    return [row["open"] == 2 for row in rows]


VALUES = [
    {"equals": "\tRetail ", "rating": 5},
    {"equals": "CAFé", "rating": 4},
    {"equals": "kilo", "rating": 3},
    {"equals": "Site", "rating": 3},
    {"equals": ALPHABET[1], "rating": 2},
]
RATINGS = {
    **dict.fromkeys(SAME, 5),
    **dict.fromkeys(CAFE, 4),
    **dict.fromkeys(KELVIN + LONG_S, 3),
    **dict.fromkeys(ALPHABET, 2),
    **dict.fromkeys(OTHERS + UNLIKE_ASCII, 1),
}


def test_texts_are_compared_without_ascii_case_and_without_blanks_at_their_ends(engine):
    got = rated(engine, {"values": VALUES, "otherwise": 1}, RATINGS)
    assert dict(zip(RATINGS, got, strict=True)) == RATINGS


def test_a_collation_of_the_column_changes_nothing(engine):
    """In these, É and é are the same, or LOWER makes them so."""
    type_ = {"duckdb": "VARCHAR COLLATE NOCASE", "postgres": 'TEXT COLLATE "pg_c_utf8"'}[engine.dialect]
    got = rated(engine, {"values": VALUES, "otherwise": 1}, RATINGS, type_)
    assert dict(zip(RATINGS, got, strict=True)) == RATINGS


@pytest.mark.parametrize(
    ("condition", "is_met"),
    [({"equals": "RETAIL\u00a0"}, True), ({"in": ["ore", " Retail"]}, True), ({"not_in": ["reTAIL"]}, False)],
    ids=str,
)
def test_so_are_the_texts_of_conditions(engine, condition, is_met):
    texts = SAME + OTHERS
    expected = [is_met] * len(SAME) + [not is_met] * len(OTHERS)
    got = asked(engine, condition, texts)
    assert dict(zip(texts, got, strict=True)) == dict(zip(texts, expected, strict=True))


NOTHING = ["", " ", "\t\r\n\u00a0", None]


def test_a_text_of_blanks_is_an_absent_attribute(engine):
    texts = [*NOTHING, "\u2003", "x"]
    assert asked(engine, {"exists": False}, texts) == [True] * 4 + [False] * 2
    assert asked(engine, {"exists": True}, texts) == [False] * 4 + [True] * 2
    assert asked(engine, {"not_in": ["retail"]}, texts) == [False] * 4 + [True] * 2
    rule = {"values": [{"equals": "retail", "rating": 5}], "otherwise": 2}
    assert rated(engine, rule, texts) == [None] * 4 + [2] * 2


def test_a_boolean_may_be_in_a_column_of_texts(engine):
    """Any text but true and false counts as missing, and is listed unless it is blank."""
    plan = asking(when={"partner": {"equals": True}}, partner="boolean")
    texts = ["true", "false", *NOTHING, "maybe", "1", " true"]
    rows = run(engine, plan, {"partner": engine.text}, [[text] for text in texts])
    assert [row["open"] for row in rows] == [2] + [1] * 8
    assert [row["unread_attributes"] for row in rows] == [None] * 6 + ["partner"] * 3
    booleans = run(engine, plan, {"partner": engine.boolean}, [[True], [False], [None]])
    assert [(row["open"], row["unread_attributes"]) for row in booleans] == [(2, None), (1, None), (1, None)]


NAN, INFINITE = float("nan"), float("inf")


def test_a_number_that_no_double_holds_exactly_is_missing_and_listed(engine):
    plan = asking(when={"employees": {"exists": False}}, employees="number")
    numbers = [0.5, -(2.0**53), 2.0**53, NAN, INFINITE, -INFINITE, 2.0**53 + 2, -(2.0**60), None]
    rows = run(engine, plan, {"employees": engine.number}, [[number] for number in numbers])
    assert [row["open"] for row in rows] == [1] * 3 + [2] * 6
    assert [row["unread_attributes"] for row in rows] == [None] * 3 + ["employees"] * 5 + [None]
    integers = run(engine, plan, {"employees": "BIGINT"}, [[2**53], [2**53 + 1], [-(2**53) - 1]])
    assert [row["unread_attributes"] for row in integers] == [None, "employees", "employees"]
    assert {row["problem"] for row in rows + integers} == {None}


def test_unread_attributes_are_listed_in_the_order_of_the_set(engine):
    plan = asking(zeal="number", industry="text", partner="boolean", age="number")
    columns = {
        "age": engine.number,
        "partner": engine.text,
        "industry": engine.text,
        "zeal": engine.number,
    }
    bad = [[NAN, "maybe", "7", INFINITE], [NAN, "true", "7", 1.0], [1.0, "no", "7", 1.0], [1.0, "", "", None]]
    rows = run(engine, plan, columns, bad)
    assert [row["unread_attributes"] for row in rows] == ["zeal,partner,age", "age", "partner", None]


def test_a_row_with_a_problem_lists_nothing(engine):
    plan = asking(employees="number")
    engine.make(
        "accounts",
        {"id": "BIGINT", "first": "SMALLINT", "second": "SMALLINT", "employees": engine.number},
        [[1, 9, 3, NAN]],
    )
    (row,) = engine.run(score_sql(plan, Wide("accounts"), engine.dialect))
    assert row.pop("problem") == "first: not a whole number from 1 to 5"
    assert row.pop("id") == 1
    assert set(row.values()) == {None}
