"""Random rows for a question set: what a table holds of a prospect, and what the kernel says of it."""

import random
from dataclasses import dataclass, field

from app.scoring import Answer, Plan, score
from tests.scoring.building import NOW
from tests.scoring.strategies import VALUES

NAN, TOO_LARGE = float("nan"), 2.0**53 + 2
FIGURES = ("estimate", "lowest", "highest", "coverage", "reportable", "needed_average")
POINTS = ("points", "points_min", "points_max", "rated", "open", "not_applicable")
TOP = ("indication", "settled", "so_far", "score", "lowest", "highest", "coverage", "reportable")


@dataclass
class Row:
    """One prospect; `wrong` names what was made unusable of it."""

    id: int
    answers: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)
    ratings: dict = field(default_factory=dict)
    skipped: set = field(default_factory=set)
    wrong: str | None = None


def scored_questions(question_set):
    return [q for step in question_set.steps if not step.gated for q in step.questions]


def must_reach_questions(question_set):
    return [q for step in question_set.steps for q in step.questions if q.must_reach is not None]


def drawn(case, seed, count):
    """The case's own session, and others of the same set; some with something that cannot be used."""
    dice = random.Random(seed)
    questions = scored_questions(case.question_set)
    yield _row(0, {key: case.answers.get(key) for key in (q.key for q in questions)}, case.attributes)
    for number in range(1, count):
        said = _answers(dice, case.question_set, questions)
        known = {name: dice.choice([*values, None]) for name, values in VALUES.items()}
        row = _row(number, said, {name: value for name, value in known.items() if value is not None})
        if dice.random() < 0.2:
            _spoil(dice, case.question_set, questions, row)
        yield row


def _row(number, said, attributes):
    answers = {key: Answer(answer.state, answer.rating) for key, answer in said.items() if answer is not None}
    ratings = {key: answer.rating for key, answer in answers.items() if answer.state == "rated"}
    skipped = {key for key, answer in answers.items() if answer.state == "not_applicable"}
    return Row(number, answers, attributes, ratings, skipped)


def _answers(dice, question_set, questions):
    low, high = question_set.scale.min, question_set.scale.max
    silence, skipping, best = dice.random(), dice.random() * 0.4, dice.random()
    said = {}
    for question in questions:
        if dice.random() < silence:
            said[question.key] = dice.choice([None, Answer("unknown")])
        elif dice.random() < skipping:
            said[question.key] = Answer("not_applicable")
        else:
            rating = high if dice.random() < best else dice.randint(low, high)
            said[question.key] = Answer("rated", rating)
    return said


def _spoil(dice, question_set, questions, row):
    key = dice.choice(questions).key
    scale = question_set.scale
    kind = dice.choice(["above", "below", "fraction", "nan", "both", "number"])
    row.wrong = key
    bad = {"above": scale.max + 1, "below": scale.min - 1, "fraction": scale.min + 0.5, "nan": NAN}
    if kind == "both":
        row.ratings[key] = scale.min
        row.skipped.add(key)
    elif kind == "number":
        row.wrong = "employees"
        row.attributes = row.attributes | {
            "employees": dice.choice([NAN, TOO_LARGE, -TOO_LARGE, float("inf")])
        }
    else:
        row.skipped.discard(key)
        row.ratings[key] = bad[kind]


def expected(question_set, row):
    """The columns of a row by name, from the kernel; without figures if something is wrong."""
    told = score(
        Plan(question_set, "small-set@1"), row.answers, {} if row.wrong else row.attributes, as_of=NOW
    )
    top = {name: getattr(told, name) for name in (*TOP, *POINTS, "needed_average", "grade", "weaker_side")}
    for dimension in told.dimensions:
        top |= {f"{dimension.key}_{name}": getattr(dimension, name) for name in (*POINTS, *FIGURES)}
    missed = {*told.knocked_out_by, *told.held_back_by} - row.skipped
    top |= {f"{q.key}_missed": int(q.key in missed) for q in must_reach_questions(question_set)}
    return {"id": row.id, **(dict.fromkeys(top) if row.wrong else top)}
