"""The scoring plan: pure functions from a question set, answers and attributes to a score."""

from app.scoring.answers import Answer, Rating, State, ratings_sent, read_answers
from app.scoring.attributes import read_attributes
from app.scoring.flaws import Flaw, Flawed, pointer
from app.scoring.plan import Plan
from app.scoring.question_set import NAME, SET_KEY, QuestionSet
from app.scoring.result import Indication, Score, SoFar
from app.scoring.rules import read_question_set, shape_flaws
from app.scoring.score import score

__all__ = [
    "NAME",
    "SET_KEY",
    "Answer",
    "Flaw",
    "Flawed",
    "Indication",
    "Plan",
    "QuestionSet",
    "Rating",
    "Score",
    "SoFar",
    "State",
    "pointer",
    "ratings_sent",
    "read_answers",
    "read_attributes",
    "read_question_set",
    "score",
    "shape_flaws",
]
