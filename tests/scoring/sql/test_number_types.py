"""The extreme values of every type of number that a column can have."""

import pytest

from app.scoring import Plan, read_question_set
from app.scoring.sql import Long, Wide, score_sql
from tests.scoring.building import question, step, weighted

RULE = {"attribute": "employees", "bands": [{"below": 10, "rating": 1}, {"rating": 5}]}
PLAN = Plan(
    read_question_set(
        weighted(
            step("all", question("fit"), question("size", rate_from=RULE)), attributes={"employees": "number"}
        )
    ),
    "extreme@1",
)
BAD_RATING = "fit: not a whole number from 1 to 5"


def decimals(digits, places):
    """The two extreme values of a DECIMAL."""
    nines = "9" * (digits - places) or "0"
    largest = f"{nines}.{'9' * places}" if places else nines
    return [largest, f"-{largest}"]


INTEGERS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "UHUGEINT": (0, 2**128 - 1),
    "BIGNUM": (-(10**300), 10**300),
}
FLOATS = ["'nan'", "'inf'", "'-inf'"]
# Values that are not ratings, by type.
OF_DUCKDB = {
    **{type_: [str(value) for value in values] for type_, values in INTEGERS.items()},
    **{f"DECIMAL({w},{p})": decimals(w, p) for w, p in [(1, 0), (4, 4), (9, 2), (18, 18), (38, 0), (38, 10)]},
    "DECIMAL(38,37)": ["9.5", "-9.5", "4.0000000000000000000000000000000000001"],
    "FLOAT": ["3.4028235e38", "-3.4028235e38", "1e-45", *FLOATS],
    "DOUBLE": ["1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", *FLOATS],
}
OF_POSTGRESQL = {
    **{type_: [str(value) for value in INTEGERS[type_]] for type_ in ("SMALLINT", "INTEGER", "BIGINT")},
    "NUMERIC": [f"1{'0' * 1000}", f"-1{'0' * 1000}", f"0.{'0' * 300}1", *FLOATS],
    "NUMERIC(1000,999)": ["9.5", "-9.5", f"4.{'0' * 998}1"],
    "REAL": ["3.4028235e38", "-3.4028235e38", "1e-45", *FLOATS],
    "DOUBLE PRECISION": ["1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", *FLOATS],
}


def wide(engine, type_, rating, employees):
    create(engine, "accounts", {"id": "BIGINT", "fit": type_, "employees": type_}, [1, rating, employees])
    return Wide("accounts")


def long(engine, type_, rating, employees):
    create(engine, "accounts", {"id": "BIGINT", "employees": type_}, [1, employees])
    columns = {"id": "BIGINT", "question": engine.text, "rating": type_, "state": engine.text}
    create(engine, "answers", columns, [1, "'fit'", rating, "NULL"])
    return Long("accounts", "answers")


def create(engine, table, columns, values):
    """Create a table with one row. The values are SQL, because no driver takes all of them."""
    cast = [f"CAST({value} AS {type_})" for value, type_ in zip(values, columns.values(), strict=True)]
    engine.make(table, columns, [])
    engine.connection.execute(f"INSERT INTO {table} VALUES ({', '.join(cast)})")


def types_of(engine):
    return OF_DUCKDB if engine.dialect == "duckdb" else OF_POSTGRESQL


@pytest.mark.parametrize("make", [wide, long])
def test_an_extreme_rating_is_the_problem_of_its_row(engine, make):
    for type_, values in types_of(engine).items():
        for value in values:
            (row,) = engine.run(score_sql(PLAN, make(engine, type_, value, "NULL"), engine.dialect))
            assert row["problem"] == BAD_RATING, (type_, value)


@pytest.mark.parametrize("make", [wide, long])
def test_an_extreme_attribute_is_read_or_listed(engine, make):
    """By hand: a number up to 2⁵³ away from 0 is read. The rule rates it 1 below 10, otherwise 5."""
    for type_, values in types_of(engine).items():
        for value in values:
            (row,) = engine.run(score_sql(PLAN, make(engine, type_, "NULL", value), engine.dialect))
            number = float(value.strip("'"))
            is_read = abs(number) <= 2**53
            assert row["unread_attributes"] == (None if is_read else "employees"), (type_, value)
            assert row["points"] == ((5 if number >= 10 else 1) if is_read else 0), (type_, value)
            assert row["problem"] is None
