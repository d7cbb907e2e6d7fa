"""The same rows as a wide table, and as a long one."""

import random

from app.scoring.sql import Long, Wide
from tests.scoring.case import ATTRIBUTES
from tests.scoring.sql.rows import scored_questions


def wide(engine, question_set, rows, seed):
    """A column for every question, of a type that holds what is in it."""
    dice = random.Random(seed)
    questions = scored_questions(question_set)
    by_rule = {q.key for q in questions if q.rate_from and not any(q.key in row.ratings for row in rows)}
    keys = [q.key for q in questions if q.key not in by_rule or dice.random() < 0.3]
    rated = [q.key for q in questions if q.rate_from and q.key in keys]
    skippable = [q.key for q in questions if any(q.key in row.skipped for row in rows)]
    columns = {"id": "BIGINT"}
    for key in keys:
        whole = all(isinstance(row.ratings.get(key, 0), int) for row in rows)
        columns[key] = dice.choice(engine.integers if whole else engine.fractions[:2])
    columns |= {f"{key}_na": engine.boolean for key in skippable} | attributes(engine, rows, dice)
    values = [
        [
            row.id,
            *(row.ratings.get(key) for key in keys),
            *(dice.choice([None, False]) if key not in row.skipped else True for key in skippable),
            *(as_held(row.attributes.get(name), columns[name]) for name in ATTRIBUTES),
        ]
        for row in rows
    ]
    engine.make("accounts", columns, values)
    return Wide("accounts", "id", frozenset(skippable), frozenset(rated))


def long(engine, _question_set, rows, seed):
    """A row for every answer; that it is rated is said or not."""
    dice = random.Random(seed)
    columns = {"id": "BIGINT"} | attributes(engine, rows, dice)
    engine.make(
        "accounts",
        columns,
        [[row.id, *(as_held(row.attributes.get(n), columns[n]) for n in ATTRIBUTES)] for row in rows],
    )
    values = []
    for row in rows:
        silent = [key for key, answer in row.answers.items() if answer.state in ("unknown", "open")]
        values += [[row.id, key, rating, dice.choice([None, "rated"])] for key, rating in row.ratings.items()]
        values += [[row.id, key, None, "not_applicable"] for key in row.skipped]
        values += [
            [row.id, key, None, dice.choice(["unknown", "open", None])]
            for key in silent
            if key not in row.ratings
        ]
    whole = all(isinstance(rating, int) for row in rows for rating in row.ratings.values())
    type_ = dice.choice(engine.integers if whole else engine.fractions[:2])
    engine.make(
        "answers", {"id": "BIGINT", "question": engine.text, "rating": type_, "state": engine.text}, values
    )
    return Long("accounts", "answers")


def attributes(engine, rows, dice):
    """Columns of the attributes' types; for the boolean sometimes one of texts, always if a row needs it."""
    columns = {name: getattr(engine, type_) for name, type_ in ATTRIBUTES.items()}
    if any(isinstance(row.attributes.get("partner"), str) for row in rows) or dice.random() < 0.2:
        columns["partner"] = engine.text
    return columns


def as_held(value, type_):
    return str(value).lower() if isinstance(value, bool) and type_ in ("VARCHAR", "TEXT") else value
