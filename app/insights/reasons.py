"""The questions on which deals that were lost for one reason differ from the other lost deals."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.insights.conclusion_schemas import ReasonComparison, ReasonQuestion
from app.insights.deals import Deal
from app.insights.estimates import estimate_of
from app.insights.shares import numbered, weights_of
from app.insights.statistics.discrimination import auc
from app.insights.statistics.estimate import Bools, Floats
from app.insights.statistics.evidence import Evidence
from app.insights.statistics.multiple_testing import benjamini_hochberg, mann_whitney_p_value
from app.scoring.words import listed

# The most frequent reasons. Rare ones have too few deals to compare.
MAX_REASONS = 20
SIGNIFICANT_BELOW = 0.05
# By the version of a set, its questions in the order of the rating codes: their keys and labels.
Labels = Mapping[int, Sequence[tuple[str, str]]]


@dataclass(slots=True)
class _Ratings:
    """The ratings of one question: for each rating, the number of sessions and the sum of their weights."""

    sessions: Counter[int] = field(default_factory=Counter)
    weights: dict[int, float] = field(default_factory=dict)

    def add(self, rating: int, weight: float) -> None:
        self.sessions[rating] += 1
        self.weights[rating] = self.weights.get(rating, 0.0) + weight

    def __add__(self, others: "_Ratings") -> "_Ratings":
        sessions = self.sessions + others.sessions
        weights = {one: self.weights.get(one, 0.0) + others.weights.get(one, 0.0) for one in sessions}
        return _Ratings(sessions, weights)

    def __sub__(self, part: "_Ratings") -> "_Ratings":
        sessions = self.sessions - part.sessions
        return _Ratings(sessions, {one: self.weights[one] - part.weights.get(one, 0.0) for one in sessions})

    @property
    def weight(self) -> float:
        return sum(self.weights.values())

    @property
    def mean(self) -> float:
        return sum(rating * weight for rating, weight in self.weights.items()) / self.weight


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The ratings of one question by sessions that were lost for a reason, and by the other lost ones."""

    reason: str
    question: str
    ratings: _Ratings
    of_others: _Ratings

    @property
    def is_sufficient(self) -> bool:
        return Evidence(self.ratings.weight, self.of_others.weight).sufficient

    def samples(self) -> tuple[Floats, Bools, Floats]:
        """The ratings of both sides, whether they are those of the reason, and the sums of their weights."""
        sides = (self.ratings.weights, self.of_others.weights)
        ratings = [float(rating) for weights in sides for rating in weights]
        weights = [weight for weights in sides for weight in weights.values()]
        return np.array(ratings), np.arange(len(ratings)) < len(sides[0]), np.array(weights)


def compare_reasons(lost: Sequence[Deal] | None, labels: Labels | None) -> list[ReasonComparison] | None:
    """Compare sessions that were lost for one reason with the other lost ones, on every question.

    The most frequent reason comes first. A reason is left out if fewer than 10 prospects were lost for it, or
    fewer than 10 otherwise. None without sessions or labels to compare.
    """
    if lost is None or labels is None:
        return None
    weights = weights_of(numbered([one.prospect for one in lost])).tolist()
    ratings = _ratings_by_question(lost, weights, labels)
    sessions = Counter(one.reason for one in lost)
    comparisons = {
        reason: [_comparison(reason, question, of) for question, of in ratings.items()]
        for reason in _sufficient_reasons(lost, weights)
    }
    tested = [one for of in comparisons.values() for one in of if one.is_sufficient]
    adjusted = benjamini_hochberg([mann_whitney_p_value(*one.samples()) for one in tested])
    names = dict(name for version in sorted(labels) for name in labels[version])
    questions = [_question(one, names[one.question], p) for one, p in zip(tested, adjusted, strict=True)]
    return [
        ReasonComparison(
            reason=reason,
            lost=sessions[reason],
            others=len(lost) - sessions[reason],
            questions=found,
            suppressed=[one.question for one in of if not one.is_sufficient],
            summary=_summary(reason, found),
        )
        for reason, of in comparisons.items()
        for found in [
            _clearest_first(q for one, q in zip(tested, questions, strict=True) if one.reason == reason)
        ]
    ]


def _clearest_first(questions: Iterable[ReasonQuestion]) -> list[ReasonQuestion]:
    return sorted(questions, key=lambda one: 1.0 if one.p_adjusted is None else one.p_adjusted)


def _sufficient_reasons(lost: Sequence[Deal], weights: Sequence[float]) -> list[str]:
    """The reasons to compare, the most frequent first."""
    by_reason: defaultdict[str, float] = defaultdict(float)
    for one, weight in zip(lost, weights, strict=True):
        if one.reason is not None:
            by_reason[one.reason] += weight
    total = sum(weights)
    found = [reason for reason, weight in by_reason.items() if Evidence(weight, total - weight).sufficient]
    return sorted(found, key=lambda reason: (-by_reason[reason], reason))[:MAX_REASONS]


def _ratings_by_question(
    lost: Sequence[Deal], weights: Sequence[float], labels: Labels
) -> dict[str, defaultdict[str | None, _Ratings]]:
    """The ratings of every question, by the reason of the sessions."""
    found: dict[str, defaultdict[str | None, _Ratings]] = {
        question: defaultdict(_Ratings) for version in sorted(labels) for question, _ in labels[version]
    }
    for one, weight in zip(lost, weights, strict=True):
        for (question, _), code in zip(labels[one.version], one.ratings.split(","), strict=True):
            if code.lstrip("-").isdigit():
                found[question][one.reason].add(int(code), weight)
    return found


def _comparison(reason: str, question: str, by_reason: Mapping[str | None, _Ratings]) -> _Comparison:
    everything = sum(by_reason.values(), _Ratings())
    ratings = by_reason.get(reason, _Ratings())
    return _Comparison(reason, question, ratings, everything - ratings)


def _question(one: _Comparison, label: str, p_adjusted: float | None) -> ReasonQuestion:
    area = estimate_of(auc(*one.samples()))
    assert area is not None, "both sides have ratings"
    return ReasonQuestion(
        question=one.question,
        label=label,
        reason_rated=one.ratings.sessions.total(),
        others_rated=one.of_others.sessions.total(),
        mean=one.ratings.mean,
        mean_of_others=one.of_others.mean,
        auc=area,
        p_adjusted=p_adjusted,
        differs=p_adjusted is not None and p_adjusted < SIGNIFICANT_BELOW,
    )


def _summary(reason: str, questions: Sequence[ReasonQuestion]) -> str:
    differing = [one for one in questions if one.differs]
    sides = {
        "lower": [one.label for one in differing if one.auc.estimate < 0.5],
        "higher": [one.label for one in differing if one.auc.estimate >= 0.5],
    }
    whose = f"Deals that were lost for {reason.replace('_', ' ')}"
    if not questions:
        return f"{whose} have too few ratings to compare."
    if not differing:
        return f"{whose} do not differ clearly from the other lost deals on any question."
    parts = [f"{word} on {listed(labels)}" for word, labels in sides.items() if labels]
    return f"{whose} were rated {' and '.join(parts)} than the other lost deals."
