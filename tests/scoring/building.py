"""Small question sets, written out as a definition would be, for tests that one can check on paper."""

from datetime import UTC, datetime

from app.scoring import Answer, Plan, Sent, ratings_sent, read_answers, read_question_set, score

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SIDES = [{"key": "match", "title": "Match"}, {"key": "benefit", "title": "Benefit"}]
POOL = [{"key": "need", "title": "Need"}]
NOT_APPLICABLE = Answer("not_applicable")
UNKNOWN = Answer("unknown")


def question(key, dimension="need", **more):
    return {"key": key, "text": f"How is the {key}?", "dimension": dimension, **more}


def step(key, *questions, gated=False):
    return {"key": key, "title": key.title(), "gated": gated, "questions": list(questions)}


def reciprocal(*steps, **more):
    return whole(steps, {"combine": "reciprocal", "dimensions": SIDES, **more})


def weighted(*steps, **more):
    return whole(steps, {"combine": "weighted", "dimensions": POOL, **more})


def whole(steps, more):
    return {"key": "small-set", "title": "A small set", "steps": list(steps), **more}


def scored(definition, ratings=None, other=None, attributes=None, as_of=NOW, **pursued):
    """The score of ratings and of `other` answers, read as the kernel's callers read them."""
    question_set = read_question_set(definition)
    sent = ratings_sent(ratings or {}) + [Sent(f"/answers/{k}", k, one) for k, one in (other or {}).items()]
    answers = read_answers(question_set, sent)
    return score(Plan(question_set, "small-set@1"), answers, attributes or {}, as_of=as_of, **pursued)
