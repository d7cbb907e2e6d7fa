"""Random rows for a question set: the values of a prospect in a table, and the expected columns."""

import random
from dataclasses import dataclass, field
from math import isfinite

from app.scoring import Answer, Plan, score
from tests.scoring import verdicts
from tests.scoring.building import NOW, as_object
from tests.scoring.case import ATTRIBUTES
from tests.scoring.group import as_double
from tests.scoring.question_state import states
from tests.scoring.reference import Reference

NAN, INFINITE, TOO_LARGE = float("nan"), float("inf"), 2.0**53 + 2
# What columns of numbers, texts and booleans can hold.
HELD = {
    "employees": [9.5, 10, 49, 50, 1000, -(2.0**53), NAN, INFINITE, -INFINITE, TOO_LARGE, -TOO_LARGE],
    "industry": [
        "retail",
        " Retail\u00a0",
        "SAAS\t",
        "saas",
        "ore",
        "",
        " \r\n",
        "RETA\u0130L",
        "reta\u0131l",
    ],
    "partner": [True, False],
}
# And a column of texts where a boolean is declared.
BOOLEANS_AS_TEXTS = [True, False, "maybe", "1", "True", " \t\u00a0"]
PYTHON_TYPES = {"number": (int, float), "text": (str,), "boolean": (bool,)}
FIGURES = ("estimate", "lowest", "highest", "coverage", "reportable", "needed_average")
POINTS = ("points", "points_min", "points_max", "rated", "open", "not_applicable")
COMBINED = ("score", "lowest", "highest", "coverage", "reportable", "weaker_side")
TOP = ("indication", "settled", "leaning", "needed_average", "grade", *COMBINED, *POINTS)


@dataclass
class Row:
    """One prospect; `wrong` names the question with a value that cannot be used."""

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
    """The session of the case, and others on the same set; some have a value that cannot be used."""
    dice = random.Random(seed)
    questions = scored_questions(case.question_set)
    # People often do not rate the questions that a rule rates.
    by_rule = {q.key for q in questions if q.rate_from and dice.random() < 0.5}
    questions = [q for q in questions if q.key not in by_rule]
    held = HELD | ({"partner": BOOLEANS_AS_TEXTS} if dice.random() < 0.3 else {})
    own = {name: value for name, value in case.attributes.items() if is_readable(name, value)}
    yield _row(0, {key: case.answers.get(key) for key in (q.key for q in questions)}, own)
    for number in range(1, count):
        answers = _answers(dice, case.question_set, questions)
        known = {name: dice.choice([*values, None]) for name, values in held.items()}
        row = _row(number, answers, {name: value for name, value in known.items() if value is not None})
        if questions and dice.random() < 0.2:
            _spoil(dice, case.question_set, questions, row)
        yield row


def is_readable(name, value):
    """Whether a value is of its attribute's type, and a number that a double holds exactly."""
    if type(value) not in PYTHON_TYPES[ATTRIBUTES[name]]:
        return False
    return not isinstance(value, float) or (isfinite(value) and abs(value) <= 2**53)


def _row(number, given, attributes):
    answers = {
        key: Answer(answer.state, answer.rating) for key, answer in given.items() if answer is not None
    }
    ratings = {key: answer.rating for key, answer in answers.items() if answer.state == "rated"}
    skipped = {key for key, answer in answers.items() if answer.state == "not_applicable"}
    return Row(number, answers, attributes, ratings, skipped)


def _answers(dice, question_set, questions):
    low, high = question_set.scale.min, question_set.scale.max
    silence, skipping, best = dice.random(), dice.random() * 0.4, dice.random()
    answers = {}
    for question in questions:
        if dice.random() < silence:
            answers[question.key] = dice.choice([None, Answer("unknown")])
        elif dice.random() < skipping:
            answers[question.key] = Answer("not_applicable")
        else:
            rating = high if dice.random() < best else dice.randint(low, high)
            answers[question.key] = Answer("rated", rating)
    return answers


def _spoil(dice, question_set, questions, row):
    key = dice.choice(questions).key
    scale = question_set.scale
    kind = dice.choice(["above", "below", "fraction", "nan", "both"])
    row.wrong = key
    bad = {"above": scale.max + 1, "below": scale.min - 1, "fraction": scale.min + 0.5, "nan": NAN}
    if kind == "both":
        row.ratings[key] = scale.min
        row.skipped.add(key)
    else:
        row.skipped.discard(key)
        row.ratings[key] = bad[kind]


def by_kernel(question_set, row):
    """The columns of a row by name, from the kernel; without figures if something is wrong."""
    of_kernel = as_object(score(Plan(question_set, "small-set@1"), row.answers, row.attributes, as_of=NOW))
    top = {name: getattr(of_kernel, name) for name in TOP}
    top["blockers"] = listed(one.question for one in of_kernel.blockers)
    top["unread_attributes"] = listed(one.attribute for one in of_kernel.unread_attributes)
    for dimension in of_kernel.dimensions:
        top |= {f"{dimension.key}_{name}": getattr(dimension, name) for name in (*POINTS, *FIGURES)}
    missed = {one.question for one in of_kernel.blockers if one.state == "rated"}
    top |= {f"{q.key}_missed": int(q.key in missed) for q in must_reach_questions(question_set)}
    return {"id": row.id, **(dict.fromkeys(top) if row.wrong else top)}


def by_second_implementation(question_set, row):
    """The same columns, from the second implementation."""
    unread = [
        name
        for name, value in row.attributes.items()
        if not is_readable(name, value) and not (isinstance(value, str) and not value.strip(" \t\n\r\u00a0"))
    ]
    known = {name: value for name, value in row.attributes.items() if is_readable(name, value)}
    reference = Reference(question_set, states(question_set, row.answers, known, NOW))
    indication = verdicts.indication(reference)
    needed = [as_double(verdicts.needed_average(reference, unit)) for unit in reference.units]
    top = {
        "indication": indication,
        "settled": verdicts.settled(reference),
        "leaning": verdicts.leaning(reference),
        "needed_average": None if reference.reciprocal else needed[0],
        "grade": reference.grade(indication),
        "blockers": listed(key for key, *_ in reference.blockers),
        "unread_attributes": listed(name for name in ATTRIBUTES if name in unread),
    }
    top |= {name: reference.whole.figures()[name] for name in POINTS}
    top |= {name: getattr(reference, name) for name in COMBINED}
    of_sides = needed if reference.reciprocal else [None] * len(reference.dimensions)
    for dimension, group, average in zip(
        question_set.dimensions, reference.dimensions, of_sides, strict=True
    ):
        figures = group.figures() | {"estimate": as_double(group.estimate), "needed_average": average}
        top |= {f"{dimension.key}_{name}": figures[name] for name in (*POINTS, *FIGURES)}
    missed = {key for key, state, *_ in reference.blockers if state == "rated"}
    top |= {f"{q.key}_missed": int(q.key in missed) for q in must_reach_questions(question_set)}
    return {"id": row.id, **(dict.fromkeys(top) if row.wrong else top)}


def listed(names):
    return ",".join(names) or None
