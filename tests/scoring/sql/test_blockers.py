"""What bars a fit: which columns are NULL then, and what the others have."""

import pytest

from app.scoring import Flawed, Plan, read_question_set
from app.scoring.sql import Wide, score_sql
from tests.scoring.building import question, reciprocal, step, weighted

GRADES = [{"at": at, "grade": grade} for at, grade in ((80, "A"), (60, "B"), (40, "C"), (0, "D"))]
CUTS = {"thresholds": {"fit_at": 60, "no_fit_below": 40}, "grades": GRADES}
NA = "not applicable"


def run(engine, definition, rows):
    """The columns of every row of ratings; NA is not applicable, a key that is left out is open."""
    plan = Plan(read_question_set(definition), "barred@1")
    keys = [*plan.questions]
    columns = dict.fromkeys(keys, "SMALLINT") | {f"{key}_na": engine.boolean for key in keys}
    values = [
        [number]
        + [None if row.get(key) == NA else row.get(key) for key in keys]
        + [row.get(key) == NA for key in keys]
        for number, row in enumerate(rows)
    ]
    engine.make("accounts", {"id": "BIGINT"} | columns, values)
    statement = score_sql(plan, Wide("accounts", not_applicable=frozenset(keys)), engine.dialect)
    return sorted(engine.run(statement), key=lambda row: row["id"])


def pool():
    """Two knock-outs and two that only bar a fit, alternating, and four without a must-reach."""
    knock_out, only_bars = {"must_reach": 3}, {"must_reach": 3, "if_missed": "mixed"}
    must = [
        question("bar_1", **only_bars),
        question("out_1", **knock_out),
        question("bar_2", **only_bars),
        question("out_2", **knock_out),
    ]
    return weighted(step("all", *must, *(question(f"q{number}") for number in range(4))), **CUTS)


BEST = dict.fromkeys(["bar_1", "out_1", "bar_2", "out_2", "q0", "q1", "q2", "q3"], 5)


def test_blockers_are_listed_knock_outs_first_each_in_the_order_of_the_set(engine):
    rows = [
        BEST,
        BEST | {"out_2": 2},
        BEST | {"bar_1": 1, "out_2": 2},
        BEST | {"bar_1": 1, "out_1": NA, "bar_2": NA, "out_2": 2},
        BEST | {"bar_2": 2, "out_1": NA},
        dict.fromkeys(BEST, 1),
        dict.fromkeys(BEST, NA),
        {},
    ]
    got = run(engine, pool(), rows)
    assert [row["blockers"] for row in got] == [
        None,
        "out_2",
        "out_2,bar_1",
        "out_2,bar_1,out_1,bar_2",
        "out_1,bar_2",
        "out_1,out_2,bar_1,bar_2",
        "bar_1,out_1,bar_2,out_2",
        None,
    ]
    # Only what is rated is missed.
    missed = [[key for key in BEST if row.get(f"{key}_missed")] for row in got]
    assert missed[3] == ["bar_1", "out_2"]
    assert missed[6:] == [[], []]


def without(*keys):
    """The best ratings, with these questions open."""
    return {key: rating for key, rating in BEST.items() if key not in keys}


def verdict(row):
    return row["indication"], row["grade"], row["score"], row["needed_average"]


def test_a_knock_out_that_is_missed_leaves_no_score_no_grade_and_no_needed_average(engine):
    """a = 7 · 4 + 1 = 29 of 32, and with q3 open 25 of 28."""
    missed = BEST | {"out_1": 2}
    closed, still_open = run(engine, pool(), [missed, without("q3") | {"out_1": 2}])
    for row in (closed, still_open):
        assert verdict(row) == ("no_fit", None, None, None)
        assert (row["reportable"], row["leaning"], row["settled"]) == (True, "no_fit", True)
    assert (closed["lowest"], closed["highest"]) == (100 * 29 / 32, 100 * 29 / 32)
    assert (still_open["lowest"], still_open["highest"]) == (100 * 25 / 32, 100 * 29 / 32)


def test_with_a_blocker_there_is_a_score_but_no_grade_of_a_fit(engine):
    """The best grade that starts below 60 is C; a lower estimate keeps its own grade."""
    rows = [
        BEST | {"bar_1": 2},
        BEST | {"bar_1": NA},
        BEST | {"out_1": NA},
        dict.fromkeys(BEST, 3) | {"bar_1": 2},
        dict.fromkeys(BEST, 2) | {"out_1": 3, "out_2": 3},
        without("q3") | {"bar_1": 2},
    ]
    assert [verdict(row) for row in run(engine, pool(), rows)] == [
        ("mixed", "C", 100 * 29 / 32, None),
        ("mixed", "C", 100.0, None),
        ("mixed", "C", 100.0, None),
        ("mixed", "C", 100 * 15 / 32, None),
        ("no_fit", "D", 100 * 10 / 32, None),
        ("mixed", "C", 100 * 25 / 28, None),
    ]


def test_there_is_no_grade_while_the_indication_is_undetermined_and_a_must_reach_is_open(engine):
    """By hand: each question adds at most 4 of 32."""
    rows = [
        without("bar_1"),
        without("out_1"),
        without("q0"),
        without("q0", "q1", "q2", "q3"),
        without("bar_1") | dict.fromkeys(["q0", "q1", "q2", "q3"], 1) | {"bar_2": 3, "out_1": 3, "out_2": 3},
    ]
    assert [verdict(row) for row in run(engine, pool(), rows)] == [
        ("undetermined", None, 100.0, 1.0),
        ("undetermined", None, 100.0, 1.0),
        ("fit", "A", 100.0, 1.0),
        # 16 of 32; four open ones must bring 3.2 more: 1 + 0.8.
        ("undetermined", "A", 100.0, 1.8),
        # 6 of 28 rated and 10 of 32 at best: too little, whatever the open one is.
        ("no_fit", "D", 100 * 6 / 28, None),
    ]


def test_no_side_has_a_needed_average_if_the_other_one_rules_out_a_fit(engine):
    sides = reciprocal(
        step(
            "all",
            *(question(f"m{number}", "match") for number in range(3)),
            *(question(f"b{number}", "benefit") for number in range(3)),
        ),
        **CUTS,
    )
    rows = [
        {"m0": 4, "m1": 4, "b0": 5, "b1": 1},
        {"m0": 4, "m1": 4, "b0": 1, "b1": 1},
        {"m0": 4, "m1": 4, "b0": 5, "b1": NA, "b2": NA},
    ]
    open_, out, skipped = run(engine, sides, rows)
    # 7.2 of 12 are needed: 1.2 more than 6, and 3.2 more than 4.
    assert (open_["match_needed_average"], open_["benefit_needed_average"]) == (2.2, 4.2)
    for row in (out, skipped):
        assert (row["match_needed_average"], row["benefit_needed_average"]) == (None, None)
        assert row["needed_average"] is None


@pytest.mark.parametrize("column", ["blockers", "Unread_Attributes", "LEANING", "bar_1_missed"])
def test_an_id_that_is_called_like_a_column_is_refused(column):
    plan = Plan(read_question_set(pool()), "barred@1")
    with pytest.raises(Flawed) as refused:
        score_sql(plan, Wide("accounts", column), "duckdb")
    assert [flaw.pointer for flaw in refused.value.flaws] == ["/id"]
    assert '"so_far"' in score_sql(plan, Wide("accounts", "so_far"), "duckdb")
