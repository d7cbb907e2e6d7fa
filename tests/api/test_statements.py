"""A published set as SQL: over HTTP and at the command line, run where the data is."""

import duckdb
import pytest

from app.problems import INVALID_REQUEST
from tests.api.calls import ok
from tests.edge.problem import assert_problem

BANT = "/v1/question-sets/bant/versions/1/sql"
TABLES = """
CREATE TABLE accounts (id INTEGER, budget TINYINT, authority TINYINT, need TINYINT, timeline TINYINT);
INSERT INTO accounts VALUES (1, 4, 5, 2, NULL), (2, 9, 1, 1, 1);
CREATE TABLE answers (id INTEGER, question VARCHAR, rating TINYINT, state VARCHAR);
INSERT INTO answers VALUES (1, 'budget', 4, NULL), (1, 'authority', 5, 'rated'), (1, 'need', 2, NULL),
    (1, 'timeline', NULL, 'unknown'), (2, 'budget', 9, NULL)
"""
RATINGS = {"budget": 4, "authority": 5, "need": 2}


@pytest.fixture
def warehouse():
    with duckdb.connect() as connection:
        for statement in TABLES.split(";"):
            connection.execute(statement)
        yield connection


@pytest.mark.parametrize("query", ["?table=accounts", "?table=accounts&answers=answers"])
def test_it_gives_the_score_of_the_service(client, warehouse, query):
    statement = client.get(BANT + query)
    assert statement.headers["content-type"] == "text/plain; charset=utf-8"
    answer = warehouse.execute(statement.text)
    names = [column[0] for column in answer.description]
    good, bad = (dict(zip(names, row, strict=True)) for row in sorted(answer.fetchall()))
    score = ok(client.post("/v1/score", json={"question_set": "bant@1", "ratings": RATINGS}))
    for figure in ("indication", "settled", "leaning", "score", "lowest", "highest", "coverage", "points"):
        assert good[figure] == score[figure]
    assert good["problem"] is None
    assert bad["problem"] == "budget: not a whole number from 1 to 5"
    assert (bad["score"], bad["indication"], bad["points"]) == (None, None, None)


def test_a_set_whose_rules_rate_every_question_reads_attributes_alone(client, warehouse):
    attributes = {
        "industry": "Logistics", "employees": 300, "annual_revenue": 5e7, "region": None, "growth": 12
    }  # fmt: skip
    warehouse.execute(
        "CREATE TABLE companies AS SELECT 1 AS id, 'Logistics' AS industry, 300 AS employees, "
        "5e7 AS annual_revenue, CAST(NULL AS VARCHAR) AS region, 12 AS growth"
    )
    statement = client.get("/v1/question-sets/firmographic-fit/versions/1/sql?table=companies")
    answer = warehouse.execute(statement.text)
    row = dict(zip([column[0] for column in answer.description], answer.fetchone(), strict=True))
    sent = {"question_set": "firmographic-fit@1", "attributes": attributes}
    score = ok(client.post("/v1/score", json=sent))
    assert (row["problem"], row["rated"] >= 3) == (None, True)
    for figure in ("indication", "score", "lowest", "highest", "coverage", "points", "grade", "open"):
        assert row[figure] == score[figure]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("dialect=oracle", "/dialect"),
        ("table=accounts;drop", "/table"),
        ("table=a.b.c.d", "/table"),
        ("id=a b", "/id"),
        ("id=Score", "/id"),
        ("not_applicable=budget,mood", "/not_applicable"),
        ("answers=answers&not_applicable=budget", "/not_applicable"),
        ("rated=mood", "/rated"),
        ("answers=answers&rated=budget", "/rated"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(client, query, pointer):
    assert_problem(client.get(f"{BANT}?{query}"), INVALID_REQUEST, pointer, where="query")


def test_a_version_that_was_never_published_has_none(client):
    assert client.get(BANT.replace("/1/", "/99/")).status_code == 404
