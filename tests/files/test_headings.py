"""Headings as people write them."""

import pytest

from app.files.headings import Columns, attribute_name, match_headings, name_attributes
from app.problems import Problem

KEYS = ("external_id", "name", "employees", "annual_revenue", "groesse", "outcome_amount")


@pytest.mark.parametrize(
    ("heading", "key"),
    [
        ("# Employees", "employees"),
        ("EMPLOYEES", "employees"),
        ("Employees?", "employees"),
        ("Annual Revenue", "annual_revenue"),
        ("annual-revenue", "annual_revenue"),
        ("AnnualRevenue", "annual_revenue"),
        ("Annual\nrevenue:", "annual_revenue"),
        ("Größe", "groesse"),
        ("ID", "external_id"),
        ("External Id", "external_id"),
        ("Amount", "outcome_amount"),
        ("Outcome Amount", "outcome_amount"),
        ("Name", "name"),
    ],
)
def test_case_spaces_and_punctuation_make_no_difference(heading: str, key: str) -> None:
    assert match_headings([heading, "Other", ""], KEYS) == Columns({key: 0}, (1,), (2,))


def test_two_headings_of_one_key_are_refused_and_both_are_named() -> None:
    with pytest.raises(Problem) as refused:
        match_headings(["Employees", "id", "# employees"], KEYS)
    (error,) = refused.value.errors
    assert error.detail == (
        '"Employees" (column 1) and "# employees" (column 3) both match employees: rename one of them'
    )


def test_a_mapping_goes_before_a_heading_that_matches() -> None:
    headings = ["Employees", "# employees", "Staff"]
    assert match_headings(headings, KEYS, {"employees": "# employees"}).by_key == {"employees": 1}
    assert match_headings(headings, KEYS, {"employees": "Staff"}) == Columns({"employees": 2}, (), ())
    assert match_headings(["Company"], KEYS, {"external_id": "company", "name": "Company"}).by_key == {
        "external_id": 0,
        "name": 0,
    }
    with pytest.raises(Problem, match="no column has the heading 'Head count'"):
        match_headings(headings, KEYS, {"employees": "Head count"})


def test_an_alias_gives_way_to_a_key_or_a_column_of_that_name() -> None:
    assert match_headings(["amount"], [*KEYS, "amount"]).by_key == {"amount": 0}
    assert match_headings(["id", "external_id"], KEYS) == Columns({"external_id": 1}, (0,), ())
    assert match_headings(["amount"], ["name"]) == Columns({}, (0,), ())


def test_a_heading_that_is_as_close_to_two_keys_matches_none() -> None:
    assert match_headings(["abc", "AB-C"], ["a_b_c", "ab_c"]).by_key == {"ab_c": 1}


def test_other_headings_name_attributes() -> None:
    assert attribute_name("Größe (m²)") == "groesse_m2"
    assert name_attributes(["id", "Staff count", "Région"], [1, 2]) == {"staff_count": 1, "region": 2}
    with pytest.raises(Problem) as refused:
        name_attributes(["Staff count", "staff_count", "従業員"], [0, 1, 2])
    assert [error.code for error in refused.value.errors] == ["bad_format", "repeated"]
