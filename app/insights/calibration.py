"""Calibration: what share of the sessions was won at each score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from app.files.columns import Column, Value
from app.insights.cohorts import Cohort
from app.insights.estimates import columns_of, estimate_of, shown, values_of
from app.insights.queries import ConcludedSession, concluded_sessions, count_excluded
from app.insights.report import Reading, Table
from app.insights.schemas import (
    AucOut,
    Bounds,
    BrierOut,
    CalibrationOut,
    CalibrationPart,
    CurvePoint,
    Estimate,
    Excluded,
    ScoreBand,
    TimeSplit,
)
from app.insights.statistics import discrimination, logistic, probability_scores, proportions
from app.insights.statistics.estimate import Bools, Floats
from app.insights.statistics.logistic import LogisticFit
from app.insights.statistics.means import mean
from app.insights.statistics.probability_scores import LEAST_PROBABILITY
from app.insights.win_curve import WinCurve
from app.insights.words import capitalised, no_sessions_in_words, percent_with_range, sessions_in_words

BAND_WIDTH = 20
CURVE_POINTS = 21
SCORE_DECIMALS = 11
# The scores at which the summary gives the probability: the quartiles.
SHOWN_QUANTILES = (0.25, 0.75)


@dataclass(frozen=True, slots=True)
class Concluded:
    """What the report is computed from. `sessions` includes those without a score."""

    question_set: str
    sessions: list[ConcludedSession]
    excluded: Excluded
    with_hindsight: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """The sessions with a score, and the curve fitted to them if there are enough."""

    scores: Floats
    cohort: Cohort
    fitted: LogisticFit | None

    @classmethod
    def of(cls, sessions: Sequence[ConcludedSession]) -> "Scored":
        """Fit the curve if at least ten sessions were won and ten were lost. Each prospect counts as one."""
        scored = [one for one in sessions if one.score is not None]
        scores = _scores_of(scored)
        cohort = Cohort.of(scored)
        fitted = logistic.fit(scores, cohort.won, cohort.weights) if cohort.evidence.sufficient else None
        return cls(scores, cohort, fitted)

    @property
    def curve(self) -> LogisticFit | None:
        """The fit if it shows a slope."""
        return self.fitted if self.fitted and self.fitted.shows_a_slope else None

    def probabilities(self, at: Floats) -> list[Estimate]:
        """Return the win probability at each score; the base rate if there is no slope. Needs `fitted`."""
        assert self.fitted is not None
        if self.curve is None:
            return [shown(self.fitted.base_rate)] * len(at)
        return [shown(one) for one in logistic.predict(self.curve, at)]


def fit_win_curve(sessions: Sequence[ConcludedSession]) -> WinCurve | None:
    """Return the curve for sessions without an outcome; None if the outcomes do not show one."""
    scored = Scored.of(sessions)
    if scored.curve is None:
        return None
    lowest, highest = scored.scores.min(), scored.scores.max()
    return WinCurve(
        n=len(scored.scores),
        preliminary=scored.cohort.evidence.preliminary,
        predict=lambda scores: scored.probabilities(np.clip(scores, lowest, highest)),
    )


def read(reading: Reading) -> Concluded:
    """Read the won and lost sessions on a question set. Raises INVALID_REQUEST for an unknown set."""
    tx, filters = reading.tx, reading.filters
    question_set = reading.required_set()
    return Concluded(
        filters.question_set,
        concluded_sessions(tx, filters, question_set),
        count_excluded(tx, filters, question_set),
        filters.hindsight == "include",
    )


def compute(concluded: Concluded) -> CalibrationOut:
    """Compute the report."""
    part = _part(with_verdict(concluded.sessions), left_out=concluded.excluded)
    hindsight = with_verdict(concluded.sessions, hindsight=True)
    return CalibrationOut(
        **dict(part),
        question_set=concluded.question_set,
        excluded=concluded.excluded,
        bounds=_bounds(part.won, part.n, concluded.excluded),
        hindsight=_part(hindsight) if concluded.with_hindsight else None,
    )


def with_verdict(sessions: Sequence[ConcludedSession], *, hindsight: bool = False) -> list[ConcludedSession]:
    """Return the sessions whose verdict is known: those rated before the outcome, or with hindsight."""
    known = (one for one in sessions if one.knocked_out or one.score is not None)
    return [one for one in known if one.hindsight == hindsight]


def _part(sessions: Sequence[ConcludedSession], left_out: Excluded | None = None) -> CalibrationPart:
    """Return the figures of sessions with a verdict. `left_out` is None for hindsight."""
    everyone, scored = Cohort.of(sessions), Scored.of(sessions)
    won = int(everyone.won.sum())
    figures = CalibrationPart(
        n=len(sessions),
        won=won,
        lost=len(sessions) - won,
        prospects=everyone.prospects,
        closed_before_opening=sum(one.closed_before_opening for one in sessions),
        base_rate=_rate(everyone.won, everyone.weights),
        bands=_bands(sessions, everyone),
        slope=estimate_of(scored.curve.slope) if scored.curve else None,
        curve=_curve(scored),
        auc=_auc(scored),
        brier=_brier(scored),
        log_loss=_log_loss(scored),
        time_split=_time_split(scored, [one.day for one in sessions if one.score is not None]),
        preliminary=scored.cohort.evidence.preliminary,
        summary="",
    )
    return figures.model_copy(update={"summary": " ".join(_sentences(figures, scored, left_out))})


def _scores_of(sessions: Sequence[ConcludedSession]) -> Floats:
    """Return the scores, NaN where there is none. Those that differ by a rounding error become equal."""
    scores = np.array([np.nan if one.score is None else one.score for one in sessions], np.float64)
    return np.round(scores, SCORE_DECIMALS)


def _rate(won: Bools, weights: Floats) -> Estimate | None:
    return estimate_of(proportions.wilson(float(weights[won].sum()), float(weights.sum())))


def _bands(sessions: Sequence[ConcludedSession], cohort: Cohort) -> list[ScoreBand]:
    """Return the band of the knocked-out sessions, and then those of the scores."""
    scores = _scores_of(sessions)
    return [_band(label, limits, inside, scores, cohort) for label, limits, inside in _split(scores)]


def sessions_by_band(sessions: Sequence[ConcludedSession]) -> dict[str, list[ConcludedSession]]:
    """Return the sessions of each band by its label."""
    return {
        label: [sessions[place] for place in np.flatnonzero(inside).tolist()]
        for label, _, inside in _split(_scores_of(sessions))
    }


def _split(scores: Floats) -> Iterator[tuple[str, tuple[float, float] | None, Bools]]:
    """Yield the label and the limits of each band, and which scores it has. The first has no limits."""
    yield "knocked out", None, np.isnan(scores)
    for start in range(0, 100, BAND_WIDTH):
        end = start + BAND_WIDTH
        yield f"{start} to {end}", (start, end), (scores >= start) & ((scores < end) | (end == 100))


def _band(
    label: str, limits: tuple[float, float] | None, inside: Bools, scores: Floats, cohort: Cohort
) -> ScoreBand:
    won, n = int(cohort.won[inside].sum()), int(inside.sum())
    return ScoreBand(
        label=label,
        from_score=limits[0] if limits else None,
        to_score=limits[1] if limits else None,
        knocked_out=limits is None,
        n=n,
        won=won,
        lost=n - won,
        mean_score=_mean(scores[inside], cohort.weights[inside]) if limits and n else None,
        win_rate=_rate(cohort.won[inside], cohort.weights[inside]),
    )


def _mean(values: Floats, weights: Floats) -> float:
    return float(np.average(values, weights=weights))


def _curve(scored: Scored) -> list[CurvePoint]:
    if scored.curve is None:
        return []
    scores = np.linspace(scored.scores.min(), scored.scores.max(), CURVE_POINTS)
    points = zip(scores.tolist(), scored.probabilities(scores), strict=True)
    return [CurvePoint(score=score, probability=probability) for score, probability in points]


def _auc(scored: Scored) -> AucOut | None:
    cohort = scored.cohort
    found = discrimination.auc(scored.scores, cohort.won, cohort.weights) if scored.fitted else None
    if found is None:
        return None
    by_prospect = discrimination.clustered_auc(scored.scores, cohort.won, cohort.prospect)
    return AucOut(**dict(shown(found)), by_prospect=estimate_of(by_prospect))


def _predicted(scored: Scored) -> Floats:
    """Return the probability of each session: that of the curve, or the base rate without one."""
    assert scored.fitted is not None
    if scored.curve is None:
        return np.full(len(scored.scores), scored.fitted.base_rate.estimate)
    return logistic.probabilities(scored.curve, scored.scores)


def _brier(scored: Scored) -> BrierOut | None:
    if scored.fitted is None:
        return None
    cohort, predicted = scored.cohort, _predicted(scored)
    found = probability_scores.probability_scores(predicted, cohort.won, cohort.weights)
    error = mean((predicted - cohort.won) ** 2, cohort.prospect, cohort.weights)
    if found is None or error is None:
        return None
    return BrierOut(
        estimate=found.brier,
        low=max(0.0, error.low),
        high=min(1.0, error.high),
        skill=found.skill,
        miscalibration=found.miscalibration,
        discrimination=found.discrimination,
        uncertainty=found.uncertainty,
    )


def _log_loss(scored: Scored) -> Estimate | None:
    if scored.fitted is None:
        return None
    cohort, predicted = scored.cohort, _predicted(scored)
    happened = np.where(cohort.won, predicted, 1 - predicted)
    found = mean(-np.log(np.clip(happened, LEAST_PROBABILITY, 1)), cohort.prospect, cohort.weights)
    return Estimate(estimate=found.estimate, low=max(0.0, found.low), high=found.high) if found else None


def _time_split(scored: Scored, days: Sequence[date]) -> TimeSplit | None:
    cohort = scored.cohort
    times = np.fromiter((day.toordinal() for day in days), np.float64, len(days))
    split = probability_scores.time_ordered(scored.scores, cohort.won, times, cohort.weights)
    if split is None:
        return None
    return TimeSplit(
        later_since=date.fromordinal(int(np.sort(times)[split.earlier])),
        earlier=split.earlier,
        later=split.later,
        auc=estimate_of(split.auc),
        brier=split.brier,
        skill=split.skill,
        log_loss=split.log_loss,
        predicted_rate=split.predicted_rate,
        observed_rate=split.observed_rate,
    )


def _bounds(won: int, decided: int, left_out: Excluded) -> Bounds | None:
    undecided = left_out.no_decision + left_out.open + left_out.not_pursued
    found = proportions.bounds(won, decided, undecided)
    return Bounds(low=found.low, high=found.high, undecided=undecided) if found else None


def _sentences(figures: CalibrationPart, scored: Scored, left_out: Excluded | None) -> Iterator[str]:
    """Yield the sentences of the summary. `left_out` is None for sessions with hindsight."""
    if figures.n == 0:
        yield no_sessions_in_words(left_out)
        return
    counted = capitalised(sessions_in_words(figures.won, figures.lost))
    if left_out is None:
        counted += ", rated when the outcome was already known"
    elif scored.curve and figures.preliminary:
        counted += ": preliminary until there are 100 of each"
    yield f"{counted}."
    if scored.fitted is None:
        yield _not_enough(figures)
    elif scored.curve is None:
        yield _no_slope(scored)
    else:
        yield _slope(figures, scored)
    if figures.closed_before_opening and left_out:
        early = figures.closed_before_opening
        yield (
            f"In {early} of them, the deal had closed before the session was opened, so whoever gave the "
            "ratings may have known the outcome."
        )
    if left_out is None:
        yield "Ratings given after the outcome make a score look better than it is."


def _not_enough(figures: CalibrationPart) -> str:
    if not (figures.won and figures.lost):
        missing = "lost" if figures.won else "won"
        return f"Without {missing} sessions to compare with, nothing can be said about the score."
    return (
        "That is too few to say what a score means: 10 won and 10 lost sessions with a score are needed, "
        "from different prospects."
    )


def _no_slope(scored: Scored) -> str:
    (rate,) = scored.probabilities(np.zeros(1))
    same = np.ptp(scored.scores) == 0
    reason = "They all have the same score" if same else "So far, the score does not show which deals are won"
    return f"{reason}: the best estimate for every deal is the overall win rate, {percent_with_range(rate)}."


def _slope(figures: CalibrationPart, scored: Scored) -> str:
    shown = np.round(np.quantile(scored.scores, SHOWN_QUANTILES))
    if shown[0] == shown[1]:
        shown = np.round([scored.scores.min(), scored.scores.max()])
    if figures.auc and figures.auc.estimate == 1:
        return (
            "Every won session scored higher than every lost one, so nothing is known about the probability "
            "between their scores."
        )
    low, high = scored.probabilities(shown)
    shares = (
        f"{percent_with_range(low)} at a score of {shown[0]:.0f}, and {percent_with_range(high)} at "
        f"{shown[1]:.0f}"
    )
    if low.estimate <= high.estimate:
        return f"Deals that score higher win more often: {shares}."
    return f"Deals that score higher win less often: {shares}. Check how the questions are rated."


BAND_COLUMNS = (
    Column("hindsight", "boolean"),
    Column("band"),
    *(Column(name, "number") for name in ("from_score", "to_score")),
    *(Column(name, "integer") for name in ("n", "won", "lost")),
    Column("mean_score", "number"),
    *columns_of("win_rate"),
)


def table(report: CalibrationOut) -> Table:
    """Return the bands, one row for each, and then all sessions together."""
    parts = [(False, report), *([(True, report.hindsight)] if report.hindsight else [])]
    rows = [row for hindsight, part in parts for row in _rows(part, hindsight=hindsight)]
    return Table(BAND_COLUMNS, rows)


def _rows(part: CalibrationPart, *, hindsight: bool) -> Iterator[list[Value]]:
    for band in part.bands:
        limits = band.from_score, band.to_score
        counts = band.n, band.won, band.lost, band.mean_score
        yield [hindsight, band.label, *limits, *counts, *values_of(band.win_rate)]
    yield [hindsight, "all", None, None, part.n, part.won, part.lost, None, *values_of(part.base_rate)]
