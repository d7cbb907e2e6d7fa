"""The lines of a score about single questions: strengths, gaps, blockers and next questions."""

from collections.abc import Iterable, Sequence
from operator import itemgetter

from app.scoring.question_set import Question, RatingText, Scale, Step
from app.scoring.result import AnchorText, Blocker, NextQuestion, RatedBy, Reason, shared
from app.scoring.words import capitalised, lower_first

POINTS = itemgetter("points")


def strength_line(
    scale: Scale, step: Step, question: Question, rating: int, rated_by: RatedBy, *, misses: bool
) -> Reason | None:
    """The strength of a rating above the middle of the scale, with w·(r − lo) points; None otherwise.

    A rating below `must_reach` is no strength.
    """
    if misses or not question.weight or 2 * rating <= scale.min + scale.max:
        return None
    return _line(step, question, rating, rated_by, question.weight * (rating - scale.min))


def gap_line(
    scale: Scale, step: Step, question: Question, rating: int, rated_by: RatedBy, *, misses: bool
) -> Reason | None:
    """The gap of a rating below the middle of the scale or below `must_reach`, with w·(hi − r) points."""
    if not misses and (not question.weight or 2 * rating >= scale.min + scale.max):
        return None
    return _line(step, question, rating, rated_by, question.weight * (scale.max - rating))


def blocker_line(question: Question, rating: int | None, anchors: list[AnchorText]) -> Blocker | None:
    """The blocker of a must-reach question with a rating below it; without a rating, not applicable.

    None if the question has no `must_reach`. One that is not applicable always has the effect `mixed`.
    """
    if question.must_reach is None:
        return None
    line: Blocker = {
        "question": question.key,
        "label": question.label,
        "text": question.text,
        "state": "not_applicable" if rating is None else "rated",
        "rating": rating,
        "must_reach": question.must_reach,
        "effect": "mixed" if rating is None else question.if_missed,
        "anchors": anchors,
    }
    return shared(line)


def anchors_of(anchors: Sequence[RatingText], rating: int) -> list[AnchorText]:
    """The anchor of a rating; if it has none, the nearest anchors below and above it."""
    by_rating = {anchor.rating: anchor for anchor in anchors}
    below = [other for other in by_rating if other < rating]
    above = [other for other in by_rating if other > rating]
    nearest = [*([max(below)] if below else []), *([min(above)] if above else [])]
    return texts_of([by_rating[one] for one in ([rating] if rating in by_rating else nearest)])


def texts_of(anchors: Sequence[RatingText]) -> list[AnchorText]:
    """Anchors as a score shows them."""
    return [{"rating": anchor.rating, "text": anchor.text} for anchor in anchors]


def next_line(step: Step, question: Question, weight_share: float | None, *, ask_again: bool) -> NextQuestion:
    """The line that proposes a question; `weight_share` is 0..100."""
    line: NextQuestion = {
        "question": question.key,
        "label": question.label,
        "text": question.text,
        "guidance": question.guidance,
        "step": step.key,
        "dimension": question.dimension,
        "anchors": texts_of(question.anchors),
        "must_reach": question.must_reach,
        "weight_share": weight_share,
        "ask_again": ask_again,
    }
    return shared(line)


def most_first(lines: Iterable[Reason]) -> list[Reason]:
    """Lines with the most points first; equal ones stay in the set's order."""
    return sorted(lines, key=POINTS, reverse=True)


def in_words(reason: Reason) -> str:
    """A gap or strength in words, with its anchor: "Budget: no money is set aside"."""
    name = capitalised(reason["label"])
    texts = [lower_first(anchor["text"]) for anchor in reason["anchors"]]
    if len(texts) == 2:
        return f"{name}: between “{texts[0]}” and “{texts[1]}”"
    if [anchor["rating"] for anchor in reason["anchors"]] == [reason["rating"]]:
        return f"{name}: {texts[0]}"
    return f"{name}: rated {reason['rating']}"


def _line(step: Step, question: Question, rating: int, rated_by: RatedBy, points: int) -> Reason:
    line: Reason = {
        "question": question.key,
        "label": question.label,
        "text": question.text,
        "step": step.key,
        "dimension": question.dimension,
        "rating": rating,
        "rated_by": rated_by,
        "anchors": anchors_of(question.anchors, rating),
        "points": points,
    }
    return shared(line)
