"""Tables as people have them: a column of the wrong type or none at all, and texts that look alike."""

import pytest

from app.scoring import Plan, read_question_set
from app.scoring.sql import DIALECTS, Wide, score_sql
from tests.scoring.building import question, step, weighted

ODD = ["it's", "back\\slash", "two\nlines", 'a "quoted" one', "-- no comment", "%_", "Zoë 🚀", "saas"]


def ruled(*values):
    """One question, rated 5 for each of these industries and 1 for any other."""
    rule = {
        "attribute": "industry",
        "values": [{"equals": value, "rating": 5} for value in values],
        "otherwise": 1,
    }
    asked = weighted(step("all", question("fit", rate_from=rule), question("need")))
    return Plan(read_question_set(asked | {"attributes": {"industry": "text"}}), "ruled@1")


def told(engine, plan, *, fit="SMALLINT", industry=None, rows):
    columns = {"id": "BIGINT", "fit": fit, "need": "SMALLINT", "industry": industry or engine.text}
    engine.make("accounts", columns, rows)
    answer = engine.run(score_sql(plan, Wide("accounts", rated=frozenset({"fit"})), engine.dialect))
    return sorted(answer, key=lambda row: row["id"])


def test_any_text_is_compared_as_it_stands(engine):
    rows = [[number, None, None, text] for number, text in enumerate([*ODD, "it"])]
    points = [row["points"] for row in told(engine, ruled(*ODD), rows=rows)]
    assert points == [5] * len(ODD) + [1]


@pytest.mark.parametrize("type_", ["VARCHAR(9)", "BOOLEAN"])
def test_a_column_that_holds_no_numbers_is_refused_for_ratings(engine, type_):
    with pytest.raises(Exception, match=r"No function matches|operator does not exist") as refused:
        told(engine, ruled("saas"), fit=type_, rows=[[1, None, None, None]])
    assert '"fit" + 0' in str(refused.value)


def test_a_column_of_numbers_is_refused_for_a_text(engine):
    with pytest.raises(Exception, match="collations are") as refused:
        told(engine, ruled("saas"), industry="INTEGER", rows=[[1, None, None, 5]])
    assert "industry" in str(refused.value)


def test_a_column_that_is_missing_is_refused_by_name(engine):
    engine.make("accounts", {"id": "BIGINT", "fit": "SMALLINT", "industry": engine.text}, [])
    with pytest.raises(Exception, match='"need"'):
        engine.run(score_sql(ruled("saas"), Wide("accounts"), engine.dialect))


def test_a_question_with_a_rule_needs_no_column_unless_it_is_asked_for(engine):
    """The rule rates it 5 for this industry, and 1 for any other; a person rated it 3."""
    engine.make(
        "accounts",
        {"id": "BIGINT", "need": "SMALLINT", "industry": engine.text},
        [[1, 2, "saas"], [2, 2, "ore"], [3, None, None]],
    )
    rows = engine.run(score_sql(ruled("saas"), Wide("accounts"), engine.dialect))
    by_id = {row["id"]: (row["points"], row["rated"], row["open"]) for row in rows}
    assert by_id == {1: (7, 2, 0), 2: (3, 2, 0), 3: (0, 0, 2)}
    (row,) = told(engine, ruled("saas"), rows=[[1, 3, 2, "saas"]])
    assert row["points"] == 5
    engine.make("accounts", {"id": "BIGINT", "need": "SMALLINT", "industry": engine.text}, [])
    with pytest.raises(Exception, match='"fit"'):
        engine.run(score_sql(ruled("saas"), Wide("accounts", rated=frozenset({"fit"})), engine.dialect))


def test_two_hundred_questions_of_the_greatest_weight_do_not_overflow(engine):
    keys = [f"q{number}" for number in range(200)]
    plan = Plan(read_question_set(weighted(step("all", *(question(k, weight=100) for k in keys)))), "long@1")
    engine.make("accounts", {"id": "BIGINT"} | dict.fromkeys(keys, engine.integers[0]), [[1, *[5] * 200]])
    (row,) = engine.run(score_sql(plan, Wide("accounts"), engine.dialect))
    assert (row["points"], row["score"]) == (100_000, 100.0)


def test_an_open_rating_is_the_lowest_where_greatest_does_not_skip_null():
    statements = {d: score_sql(ruled("saas"), Wide("t"), d) for d in ("bigquery", "snowflake")}
    assert statements["bigquery"].count("GREATEST(COALESCE(") == statements["bigquery"].count("GREATEST(") > 0
    assert (
        statements["snowflake"].count("GREATEST_IGNORE_NULLS(")
        == statements["snowflake"].count("GREATEST")
        > 0
    )


def test_who_has_not_been_run_says_so():
    untried = {d for d in DIALECTS if "Nobody has run this" in score_sql(ruled("saas"), Wide("t"), d)}
    assert untried == {"bigquery", "snowflake"}
