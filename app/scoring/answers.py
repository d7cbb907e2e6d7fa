"""Answers to the questions of one set, as a person gave them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from app.scoring.flaws import Flaw, Flawed, escaped, pointer
from app.scoring.question_set import HIGHEST_RATING, LOWEST_RATING, QuestionSet

State = Literal["rated", "not_applicable", "unknown", "open"]
Evidence = Literal["fact", "judgement", "assumption"]


def whole(value: Any) -> Any:
    """JSON has one kind of number: 4.0 is 4."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The scale of the question set decides which of these ratings exist.
Rating = Annotated[
    int,
    BeforeValidator(whole),
    Field(strict=True, json_schema_extra={"minimum": LOWEST_RATING, "maximum": HIGHEST_RATING}),
]


class Answer(NamedTuple):
    """One answer: `rating` is on the set's scale if `state` is "rated", and None otherwise.

    The state "open" takes an earlier answer back. Without `answered_at`, the answer counts as given at the
    time of scoring. `evidence` is what a rating rests on.
    """

    state: State
    rating: int | None = None
    answered_at: datetime | None = None
    evidence: Evidence | None = None


# The states in which a person's answer counts.
ANSWERED = ("rated", "not_applicable")
Answers = Mapping[str, Answer]


class Sent(NamedTuple):
    """An answer as it was sent: `place` is its JSON pointer, and an `item` is an object with fields."""

    place: str
    question: str
    answer: Answer
    item: bool = False

    def at(self, field: str) -> str:
        """The JSON pointer to one field of the answer."""
        return self.place + pointer(field) if self.item else self.place


def read_answers(question_set: QuestionSet, sent: Iterable[Sent]) -> dict[str, Answer]:
    """The answers by the key of their question, checked against the set.

    Raises `Flawed` for an unknown question, a question with two answers, and a rating that is off the
    scale, missing, or sent with a state that has no rating.
    """
    keys = {question.key for step in question_set.steps for question in step.questions}
    answers: dict[str, Answer] = {}
    flaws: list[Flaw] = []
    for one in sent:
        if one.question not in keys:
            detail = f"{question_set.key} has no question of that key"
            flaws.append(Flaw(one.at("question"), detail, "unknown_question"))
        elif one.question in answers:
            detail = "that question is answered twice: send one answer"
            flaws.append(Flaw(one.at("question"), detail, "repeated"))
        elif problem := _rating_problem(question_set, one.answer):
            flaws.append(Flaw(one.at("rating"), *problem))
        else:
            answers[one.question] = one.answer
    if flaws:
        raise Flawed(flaws)
    return answers


def _rating_problem(question_set: QuestionSet, answer: Answer) -> tuple[str, str] | None:
    """The detail and the kind of the flaw; None if the rating is right."""
    scale = question_set.scale
    if answer.state != "rated":
        detail = f"{answer.state} has no rating: send either"
        return None if answer.rating is None else (detail, "contradiction")
    if answer.rating is None or not scale.min <= answer.rating <= scale.max:
        return f"send a rating, an integer from {scale.min} to {scale.max}", "off_scale"
    return None


def ratings_sent(ratings: Mapping[str, int], at: str = "/ratings") -> list[Sent]:
    """Ratings by question key, in the form that `read_answers` takes; `at` is their JSON pointer."""
    return [Sent(f"{at}/{escaped(key)}", key, _rated(rating)) for key, rating in ratings.items()]


@lru_cache(maxsize=1000)
def _rated(rating: int) -> Answer:
    """A shared answer: answers are immutable, and a look-up costs less than a new object."""
    return Answer("rated", rating)
