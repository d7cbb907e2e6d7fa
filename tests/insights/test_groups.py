"""The groups that values of an attribute belong to."""

from app.insights.groups import UNKNOWN, groups_of_values, in_order_of_names, largest_first


def names(values):
    return [group.name for group in groups_of_values(values)]


def in_order(groups):
    return [group.name for group in sorted(set(groups), key=lambda group: group.place)]


def test_texts_that_conditions_treat_as_equal_are_one_group_in_the_most_frequent_spelling():
    assert names(["Retail", "retail ", "RETAIL", "Retail", "Straße"]) == [*["Retail"] * 4, "Straße"]


def test_a_missing_and_a_blank_value_are_not_known():
    assert groups_of_values([None, " \u00a0"]) == [UNKNOWN, UNKNOWN]


def test_a_boolean_is_no_number():
    assert names([True, 1, False, 1.0]) == ["true", "1", "false", "1"]


def test_few_numbers_are_groups_of_their_own_in_their_order():
    groups = groups_of_values([10, 2.5, 2, 10.0])
    assert [group.name for group in groups] == ["10", "2.5", "2", "10"]
    assert in_order(groups) == ["2", "2.5", "10"]


def test_many_numbers_are_four_bands_of_about_as_many():
    groups = groups_of_values(list(range(1, 17)))
    bands = ["below 5", "5 to below 9", "9 to below 13", "13 or more"]
    assert [group.name for group in groups] == [band for band in bands for _ in range(4)]
    assert in_order(groups) == bands


def test_many_numbers_most_of_which_are_equal_have_fewer_bands():
    groups = groups_of_values([*[7] * 100, *range(8, 21)])
    assert set(in_order(groups)) == {"all numbers"}


def test_large_numbers_have_no_exponent():
    assert names([10**15, 1e15]) == ["1000000000000000"] * 2


def test_periods_are_in_the_order_of_time_and_other_names_are_not():
    assert in_order(in_order_of_names(["2026-02", "2025-12", "2026-02"])) == ["2025-12", "2026-02"]
    assert {group.place for group in largest_first(["b", "a"])} == {0}
    assert largest_first([None]) == [UNKNOWN]
