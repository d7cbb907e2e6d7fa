"""Small question sets as definitions, for tests that a reader can check on paper."""

from datetime import UTC, datetime

from app.scoring import Answer, Plan, Sent, ratings_sent, read_answers, read_question_set, score

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SIDES = [{"key": "match", "title": "Match"}, {"key": "benefit", "title": "Benefit"}]
POOL = [{"key": "need", "title": "Need"}]
NOT_APPLICABLE = Answer("not_applicable")
UNKNOWN = Answer("unknown")


class Result(dict):
    """A result whose keys can be read as attributes, at every level."""

    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def without(self, *keys):
        return {key: value for key, value in self.items() if key not in keys}


def as_object(result):
    if isinstance(result, dict):
        return Result((key, as_object(value)) for key, value in result.items())
    return [as_object(one) for one in result] if isinstance(result, list) else result


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
    """The score of ratings and of `other` answers, read as callers of the kernel read them."""
    question_set = read_question_set(definition)
    sent = ratings_sent(ratings or {}) + [Sent(f"/answers/{k}", k, one) for k, one in (other or {}).items()]
    answers = read_answers(question_set, sent)
    plan = Plan(question_set, "small-set@1")
    return as_object(score(plan, answers, attributes or {}, as_of=as_of, **pursued))
