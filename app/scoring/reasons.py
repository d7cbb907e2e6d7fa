"""What speaks for a fit and what against it, question by question."""

from collections.abc import Iterable, Sequence

from app.scoring.indication import MustReach
from app.scoring.plan import Standing
from app.scoring.question_set import RatingText, Scale
from app.scoring.result import Blocker, Reason
from app.scoring.words import capitalised, lowered


def strengths(scale: Scale, scored: Iterable[Standing]) -> list[Reason]:
    """Ratings above the middle of the scale, by w·(r − lo), most first; a missed must-reach is none."""
    lines = [
        _reason(s, s.question.weight * (s.rating - scale.min))
        for s in scored
        if s.rating is not None
        and s.question.weight
        and 2 * s.rating > scale.min + scale.max
        and not s.misses
    ]
    return sorted(lines, key=lambda line: -line.points)


def gaps(scale: Scale, scored: Iterable[Standing]) -> list[Reason]:
    """Missed must-reach questions, then ratings below the middle of the scale, by w·(hi − r), most first."""
    lines = [
        (s.misses, _reason(s, s.question.weight * (scale.max - s.rating)))
        for s in scored
        if s.rating is not None and (s.misses or (s.question.weight and 2 * s.rating < scale.min + scale.max))
    ]
    return [line for _, line in sorted(lines, key=lambda one: (not one[0], -one[1].points))]


def blockers(must: MustReach) -> list[Blocker]:
    """What bars a fit now: first what rules it out."""
    return [
        *(_blocker(s, "no_fit") for s in must.knocked_out),
        *(_blocker(s, "mixed") for s in must.barring),
    ]


def anchors_of(anchors: Sequence[RatingText], rating: int) -> list[RatingText]:
    """The anchor of a rating; without one the nearest on either side of it."""
    exact = [anchor for anchor in anchors if anchor.rating == rating]
    below = [anchor for anchor in anchors if anchor.rating < rating]
    above = [anchor for anchor in anchors if anchor.rating > rating]
    nearest = [
        *([max(below, key=lambda anchor: anchor.rating)] if below else []),
        *([min(above, key=lambda anchor: anchor.rating)] if above else []),
    ]
    return exact or nearest


def in_words(reason: Reason) -> str:
    """The label with the anchor that was rated: "Budget: no money is set aside"."""
    name = capitalised(reason.label)
    texts = [lowered(anchor.text) for anchor in reason.anchors]
    if len(texts) == 2:
        return f"{name}: between “{texts[0]}” and “{texts[1]}”"
    if [anchor.rating for anchor in reason.anchors] == [reason.rating]:
        return f"{name}: {texts[0]}"
    return f"{name}: rated {reason.rating}"


def _reason(standing: Standing, points: int) -> Reason:
    question, rating = standing.question, standing.rating
    assert rating is not None
    assert standing.rated_by is not None
    return Reason(
        question=question.key,
        label=question.label,
        text=question.text,
        step=standing.step.key,
        dimension=question.dimension,
        rating=rating,
        rated_by=standing.rated_by,
        anchors=anchors_of(question.anchors, rating),
        points=points,
    )


def _blocker(standing: Standing, effect: str) -> Blocker:
    question, rating = standing.question, standing.rating
    assert question.must_reach is not None
    return Blocker(
        question=question.key,
        label=question.label,
        text=question.text,
        state="rated" if rating is not None else "not_applicable",
        rating=rating,
        must_reach=question.must_reach,
        effect="no_fit" if effect == "no_fit" else "mixed",
        anchors=[] if rating is None else anchors_of(question.anchors, rating),
    )
