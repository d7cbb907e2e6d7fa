"""Which questions two sets have in common by descent: their answers can be taken for each other's."""

from app.db import Transaction
from app.question_sets.plans import Plans
from app.question_sets.store import ancestry
from app.scoring import Plan


def shared_questions(tx: Transaction, plans: Plans, one: Plan, other: Plan) -> set[str]:
    """The questions that mean the same in both, since both have them from versions of one set.

    None where neither set was made from the other, nor both from the same. A question that each of
    them added for itself is another one, even if it has the same key.
    """
    here, there = _descent(tx, plans, one), _descent(tx, plans, other)
    return {
        question
        for key in here.keys() & there.keys()
        for question in here[key] & there[key]
        if one.means_the_same(other, question)
    }


def _descent(tx: Transaction, plans: Plans, plan: Plan) -> dict[str, set[str]]:
    """The questions that a set has, by the key of every set that it was made from and that has them too."""
    made_from = [plans.find(tx, name) for name in ancestry(tx, plan.question_set)]
    descent: dict[str, set[str]] = {}
    for version in (plan, *made_from):
        kept = version.questions.keys() & plan.questions.keys()
        descent.setdefault(version.question_set.key, set()).update(kept)
    return descent
