"""A question key keeps its meaning for ever: the answers that were given to it stay comparable."""

from collections.abc import Iterator

from app.scoring import Flaw, QuestionSet, pointer


def changed_meanings(now: QuestionSet, name: str, before: QuestionSet) -> Iterator[Flaw]:
    """What is wrong with `now` beside `before`, the version `name` that it follows or was made from.

    A question that both have is of the same dimension and on the same scale.
    """
    dimensions = {question.key: question.dimension for step in before.steps for question in step.questions}
    kept = False
    for i, step in enumerate(now.steps):
        for j, question in enumerate(step.questions):
            dimension = dimensions.get(question.key, question.dimension)
            kept = kept or question.key in dimensions
            if dimension != question.dimension:
                yield Flaw(
                    pointer("steps", i, "questions", j, "dimension"),
                    f"in {name} '{question.key}' is a question on {dimension}: give this one a new key",
                    "changed_meaning",
                )
    then, since = before.scale, now.scale
    if kept and (then.min, then.max) != (since.min, since.max):
        yield Flaw(
            "/scale",
            f"in {name} questions of these keys are rated {then.min} to {then.max}: "
            "keep that scale, or give them new keys",
            "changed_meaning",
        )
