"""Questions that matter: which questions won and lost sessions have different ratings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.files.columns import Column, Value
from app.insights.calibration import with_verdict
from app.insights.cohorts import (
    LEAST_RATING,
    NOT_APPLICABLE,
    NOT_ASKED_HERE,
    OPEN,
    UNKNOWN,
    Cohort,
    Ratings,
    rating_matrix,
)
from app.insights.estimates import columns_of, estimate_of, values_of
from app.insights.queries import ConcludedSession, concluded_sessions, count_excluded
from app.insights.report import Reading, Table
from app.insights.schemas import Estimate, Excluded, QuestionOut, QuestionsOut, QuestionsPart, Share
from app.insights.statistics import discrimination
from app.insights.statistics.estimate import Bools, Floats
from app.insights.statistics.item_analysis import item_rest_correlations
from app.insights.statistics.means import mean
from app.insights.statistics.multiple_testing import benjamini_hochberg, mann_whitney_p_value
from app.insights.words import capitalised, no_sessions_in_words, percent, sessions_in_words
from app.question_sets.queries import list_versions
from app.scoring import Plan, Question, Step

SIGNIFICANT = 0.05
# If the whole interval of the AUC is between these, won and lost sessions have similar ratings.
ALIKE = (0.4, 0.6)
RARELY = 0.5
MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class Concluded:
    """What the report is computed from. `plans` are those of the versions, the newest first."""

    question_set: str
    plans: Mapping[int, Plan]
    sessions: list[ConcludedSession]
    excluded: Excluded
    with_hindsight: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its step, and the ratings of the sessions that rated it."""

    plan: Plan
    step: Step
    question: Question
    codes: Ratings
    rated: Bools
    cohort: Cohort

    @property
    def ratings(self) -> Floats:
        """The ratings of the sessions in `cohort`, which are those that rated it."""
        ratings: Floats = self.codes[self.rated].astype(np.float64)
        return ratings


def read(reading: Reading) -> Concluded:
    """Read the won and lost sessions on a question set. Raises INVALID_REQUEST for an unknown set."""
    tx, filters = reading.tx, reading.filters
    question_set = key, number = reading.required_set()
    sessions = concluded_sessions(tx, filters, question_set, with_ratings=True)
    used = {one.version for one in sessions}
    numbers = [number] if number else [one.version for one in list_versions(tx, key)]
    newest = max(numbers)
    return Concluded(
        filters.question_set,
        {n: reading.plans.find(tx, f"{key}@{n}") for n in sorted(used | {newest}, reverse=True)},
        sessions,
        count_excluded(tx, filters, question_set),
        filters.hindsight == "include",
    )


def compute(concluded: Concluded) -> QuestionsOut:
    """Compute the report."""
    part = _part(with_verdict(concluded.sessions), concluded.plans, concluded.excluded)
    hindsight = with_verdict(concluded.sessions, hindsight=True)
    return QuestionsOut(
        **dict(part),
        question_set=concluded.question_set,
        excluded=concluded.excluded,
        hindsight=_part(hindsight, concluded.plans) if concluded.with_hindsight else None,
    )


def _part(
    sessions: Sequence[ConcludedSession], plans: Mapping[int, Plan], left_out: Excluded | None = None
) -> QuestionsPart:
    """Return the figures of sessions with a verdict. `left_out` is None for hindsight."""
    cohort = Cohort.of(sessions)
    items = list(_items(sessions, cohort, plans))
    p_values = benjamini_hochberg([_p_value(item) for item in items])
    correlations = _item_rest(items, cohort)
    questions = [
        _question(item, p_value, correlations.get(item.question.key))
        for item, p_value in zip(items, p_values, strict=True)
    ]
    won = int(cohort.won.sum())
    return QuestionsPart(
        n=len(sessions),
        won=won,
        lost=len(sessions) - won,
        prospects=cohort.prospects,
        questions=questions,
        preliminary=cohort.evidence.preliminary,
        summary=(
            _summary(won, len(sessions) - won, questions) if sessions else no_sessions_in_words(left_out)
        ),
    )


def _items(sessions: Sequence[ConcludedSession], cohort: Cohort, plans: Mapping[int, Plan]) -> Iterator[Item]:
    """Yield the questions in the order of the newest version, and then those that only older ones have."""
    newest: dict[str, tuple[Plan, Step, Question]] = {}
    for plan in plans.values():
        for step in plan.question_set.steps:
            for question in step.questions:
                newest.setdefault(question.key, (plan, step, question))
    matrix = rating_matrix(sessions, plans, list(newest))
    for codes, (plan, step, question) in zip(matrix.T, newest.values(), strict=True):
        rated = codes > LEAST_RATING
        yield Item(plan, step, question, codes, rated, cohort.where(rated))


def sessions_by_question(concluded: Concluded) -> dict[str, list[ConcludedSession]]:
    """Return the sessions that rated each question, by its key."""
    sessions = with_verdict(concluded.sessions)
    return {
        item.question.key: [sessions[place] for place in np.flatnonzero(item.rated).tolist()]
        for item in _items(sessions, Cohort.of(sessions), concluded.plans)
    }


def _p_value(item: Item) -> float | None:
    """Return the p-value of the AUC; None if too few won or lost sessions have a rating."""
    cohort = item.cohort
    if not cohort.evidence.sufficient:
        return None
    return mann_whitney_p_value(item.ratings, cohort.won, cohort.weights)


def _item_rest(items: Sequence[Item], cohort: Cohort) -> dict[str, Estimate | None]:
    """Return the correlation of each scored question with the other ones, by question."""
    scored = [item for item in items if not item.step.gated]
    if not scored or not cohort.evidence.sufficient:
        return {}
    ratings = np.column_stack([np.where(item.rated, item.codes, np.nan) for item in scored])
    found = item_rest_correlations(ratings, cohort.weights)
    return {item.question.key: estimate_of(one) for item, one in zip(scored, found, strict=True)}


def _question(item: Item, p_value: float | None, item_rest: Estimate | None) -> QuestionOut:
    question, codes, ratings = item.question, item.codes, item.ratings
    scale = item.plan.question_set.scale
    asked = int((codes != NOT_ASKED_HERE).sum())
    is_enough = item.cohort.evidence.sufficient
    figures = QuestionOut(
        key=question.key,
        label=question.label,
        text=question.text,
        step=item.step.key,
        gated=item.step.gated,
        asked=asked,
        rated=_share(item.rated, asked),
        unknown=_share(codes == UNKNOWN, asked),
        open=_share(codes == OPEN, asked),
        not_applicable=_share(codes == NOT_APPLICABLE, asked),
        lowest=_share(ratings == scale.min, len(ratings)),
        highest=_share(ratings == scale.max, len(ratings)),
        mean_won=_mean(item, item.cohort.won) if is_enough else None,
        mean_lost=_mean(item, ~item.cohort.won) if is_enough else None,
        auc=_auc(item) if is_enough else None,
        p_value=p_value,
        matters=p_value is not None and p_value < SIGNIFICANT,
        item_rest=item_rest if is_enough else None,
        suppressed=None if is_enough else _too_few(item.cohort),
        sentence="",
    )
    return figures.model_copy(update={"sentence": " ".join(_sentences(figures))})


def _share(counted: Bools, total: int) -> Share:
    count = int(counted.sum())
    return Share(count=count, share=count / total if total else None)


def _mean(item: Item, rows: Bools) -> Estimate | None:
    """Return the mean rating of some sessions, with an interval inside the scale."""
    cohort, scale = item.cohort, item.plan.question_set.scale
    found = mean(item.ratings[rows], cohort.prospect[rows], cohort.weights[rows])
    if found is None:
        return None
    return Estimate(estimate=found.estimate, low=max(scale.min, found.low), high=min(scale.max, found.high))


def _auc(item: Item) -> Estimate | None:
    return estimate_of(discrimination.auc(item.ratings, item.cohort.won, item.cohort.weights))


def _too_few(cohort: Cohort) -> str:
    won = int(cohort.won.sum())
    rated = sessions_in_words(won, len(cohort.won) - won)
    return f"{rated} have one, and 10 of each are needed, from different prospects"


def _sentences(figures: QuestionOut) -> Iterator[str]:
    """Yield what the figures of one question say."""
    if figures.asked == 0:
        yield "No session in this report asks this question."
    elif figures.suppressed:
        yield f"Too few ratings to compare: {figures.suppressed}."
    else:
        yield _comparison(figures)
        if figures.rated.share is not None and figures.rated.share < RARELY:
            yield f"Fewer than half of the sessions have a rating: {percent(figures.rated.share)}."
        if figures.item_rest and figures.item_rest.high < 0:
            yield (
                "Deals with higher ratings here have lower ones on the other questions: check how its "
                "ratings are described."
            )


def _comparison(figures: QuestionOut) -> str:
    won, lost, auc = figures.mean_won, figures.mean_lost, figures.auc
    if figures.p_value is None or not (won and lost and auc):
        return (
            "All sessions have the same rating. Consider dropping the question, or describe its ratings "
            "better."
        )
    means = f"{won.estimate:.1f} on average when won, and {lost.estimate:.1f} when lost"
    if figures.matters and auc.estimate > 0.5:
        return f"Won deals have higher ratings: {means}."
    if figures.matters:
        return f"Lost deals have higher ratings: {means}. Check how the question is asked and rated."
    if ALIKE[0] < auc.low and auc.high < ALIKE[1]:
        return f"Won and lost deals have similar ratings: {means}. Consider dropping the question."
    return f"So far, no difference between won and lost deals is certain: {means}."


def _summary(won: int, lost: int, questions: Sequence[QuestionOut]) -> str:
    counted = capitalised(sessions_in_words(won, lost))
    compared = [one for one in questions if not one.suppressed]
    if not compared:
        return f"{counted}. That is too few to compare questions: 10 rated sessions of each are needed."
    matter = sorted((one for one in compared if one.matters), key=lambda one: one.p_value or 0)
    if not matter:
        return f"{counted}. So far, no question separates won from lost deals."
    named = ", ".join(one.label for one in matter[:MAX_NAMED])
    first = "The question that separates" if len(matter) == 1 else "The questions that separate"
    more = f" and {len(matter) - MAX_NAMED} more" if len(matter) > MAX_NAMED else ""
    return f"{counted}. {first} them best: {named}{more}."


COLUMNS = (
    Column("hindsight", "boolean"),
    *(Column(name) for name in ("question", "label", "step")),
    *(
        Column(name, "integer")
        for name in ("asked", "rated", "unknown", "open", "not_applicable", "lowest", "highest")
    ),
    *(column for name in ("mean_won", "mean_lost", "auc") for column in columns_of(name)),
    Column("p_value", "number"),
    Column("matters", "boolean"),
    *columns_of("item_rest"),
    Column("sentence"),
)


def table(report: QuestionsOut) -> Table:
    """Return one row for each question."""
    parts = [(False, report.questions), *([(True, report.hindsight.questions)] if report.hindsight else [])]
    return Table(COLUMNS, [_row(one, hindsight=apart) for apart, questions in parts for one in questions])


def _row(one: QuestionOut, *, hindsight: bool) -> list[Value]:
    shares = (one.rated, one.unknown, one.open, one.not_applicable, one.lowest, one.highest)
    estimates = (one.mean_won, one.mean_lost, one.auc)
    return [
        hindsight,
        one.key,
        one.label,
        one.step,
        one.asked,
        *(share.count for share in shares),
        *(value for estimate in estimates for value in values_of(estimate)),
        one.p_value,
        one.matters,
        *values_of(one.item_rest),
        one.sentence,
    ]
