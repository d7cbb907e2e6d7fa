"""The lines of a score about single questions: what a rating gained or cost, and what to ask next."""

from collections.abc import Sequence

from app.scoring.question_set import Question, RatingText, Scale, Step
from app.scoring.result import AnchorText, Blocker, NextQuestion, RatedBy, Reason
from app.scoring.words import capitalised, lower_first


def strength_line(
    scale: Scale, step: Step, question: Question, rating: int, rated_by: RatedBy, *, misses: bool
) -> Reason | None:
    """A rating above the middle of the scale, worth w·(r − lo); a missed must-reach is none."""
    if misses or not question.weight or 2 * rating <= scale.min + scale.max:
        return None
    return _line(step, question, rating, rated_by, question.weight * (rating - scale.min))


def gap_line(
    scale: Scale, step: Step, question: Question, rating: int, rated_by: RatedBy, *, misses: bool
) -> Reason | None:
    """A rating below the middle of the scale, or a missed must-reach; it costs w·(hi − r)."""
    if not misses and (not question.weight or 2 * rating >= scale.min + scale.max):
        return None
    return _line(step, question, rating, rated_by, question.weight * (scale.max - rating))


def blocker_line(question: Question, rating: int | None, anchors: list[AnchorText]) -> Blocker | None:
    """A must-reach question that is missed, or without a rating called not applicable: that only bars."""
    if question.must_reach is None:
        return None
    return {
        "question": question.key,
        "label": question.label,
        "text": question.text,
        "state": "not_applicable" if rating is None else "rated",
        "rating": rating,
        "must_reach": question.must_reach,
        "effect": "mixed" if rating is None else question.if_missed,
        "anchors": anchors,
    }


def anchors_of(anchors: Sequence[RatingText], rating: int) -> list[AnchorText]:
    """The anchor of a rating; without one the nearest on either side of it."""
    by_rating = {anchor.rating: anchor for anchor in anchors}
    below = [near for near in by_rating if near < rating]
    above = [near for near in by_rating if near > rating]
    around = [*([max(below)] if below else []), *([min(above)] if above else [])]
    return texts_of([by_rating[near] for near in ([rating] if rating in by_rating else around)])


def texts_of(anchors: Sequence[RatingText]) -> list[AnchorText]:
    """Anchors as results show them."""
    return [{"rating": anchor.rating, "text": anchor.text} for anchor in anchors]


def next_line(step: Step, question: Question, weight_share: float | None, *, ask_again: bool) -> NextQuestion:
    """A question worth asking now."""
    return {
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


def in_words(reason: Reason) -> str:
    """The label with the anchor that was rated: "Budget: no money is set aside"."""
    name = capitalised(reason["label"])
    texts = [lower_first(anchor["text"]) for anchor in reason["anchors"]]
    if len(texts) == 2:
        return f"{name}: between “{texts[0]}” and “{texts[1]}”"
    if [anchor["rating"] for anchor in reason["anchors"]] == [reason["rating"]]:
        return f"{name}: {texts[0]}"
    return f"{name}: rated {reason['rating']}"


def _line(step: Step, question: Question, rating: int, rated_by: RatedBy, points: int) -> Reason:
    return {
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
