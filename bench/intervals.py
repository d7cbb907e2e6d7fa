"""How often intervals of the insights include the truth: python -m bench.intervals [PART OF A NAME]

Each replication draws a cohort from a known model. A 95 % interval should include the truth in 93 to 97 % of
the replications. The last rows count how often pure noise passes for a slope or for a question that matters.
"""

import sys
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from app.insights.statistics.agreement import alpha_of_groups
from app.insights.statistics.discrimination import auc, clustered_auc
from app.insights.statistics.evidence import evidence, prospect_weights
from app.insights.statistics.logistic import fit, predict
from app.insights.statistics.multiple_testing import benjamini_hochberg, mann_whitney_p_value
from app.insights.statistics.proportions import wilson

SIZES = (30, 60, 120, 400)
REPLICATIONS = 1000
# So many rows that the statistic of them is the truth.
POPULATION = 400_000
MOST_SESSIONS = 8
QUESTIONS = 20
SHARE_OF_MISSING = 0.15
PREDICTED = (40.0, 60.0, 80.0)
SIGNIFICANT = 0.05


class Cohort(NamedTuple):
    """`prospects` is the number of the prospect of each session."""

    scores: np.ndarray
    won: np.ndarray
    prospects: np.ndarray


def logistic_cohort(generator, n, slope=0.05, base=0.5):
    """Scores are normal around 60 with a standard deviation of 15, rounded; each prospect has one session."""
    scores = np.round(np.clip(generator.normal(60, 15, n), 0, 100))
    log_odds = intercept(slope, base) + slope * scores
    return Cohort(scores, generator.random(n) < 1 / (1 + np.exp(-log_odds)), np.arange(n))


def intercept(slope, base):
    """The intercept at which a prospect with the score 60 is won with the probability `base`."""
    return np.log(base / (1 - base)) - slope * 60


def binormal_cohort(generator, n, distance, base=0.5):
    """The scores of won deals are higher by `distance` standard deviations."""
    won = generator.random(n) < base
    scores = np.round(50 + 15 * (generator.normal(size=n) + distance * won))
    return Cohort(scores, won, np.arange(n))


def cohort_of_several_sessions(generator, n, base=0.5):
    """`n` prospects with 1 to MOST_SESSIONS sessions; scores and outcomes are alike within a prospect."""
    sessions = np.minimum(generator.geometric(0.4, n), MOST_SESSIONS)
    sessions[0] = MOST_SESSIONS
    prospects = np.repeat(np.arange(n), sessions)
    of_prospect, of_score = generator.normal(size=(2, n))
    drive = 0.8 * of_prospect[prospects] + 0.6 * generator.normal(size=len(prospects))
    won = drive > -NormalDist().inv_cdf(base)
    scores = 50 + 15 * (0.6 * drive + 0.7 * of_score[prospects] + 0.7 * generator.normal(size=len(prospects)))
    return Cohort(np.round(np.clip(scores, 0, 100)), won, prospects)


def ratings_of_raters(generator, n, raters, noise):
    """Raters see the same unit with noise, and rate what they see from 1 to 5; some ratings are missing."""
    seen = generator.normal(size=n) + noise * generator.normal(size=(raters, n))
    ratings = 1.0 + np.digitize(seen / np.sqrt(1 + noise**2), [-1.2, -0.4, 0.4, 1.2])
    ratings[generator.random(ratings.shape) < SHARE_OF_MISSING] = np.nan
    return ratings


def coincidences(ratings):
    """The coincidences of each unit with two ratings or more, from raters × units with NaN for none."""
    values = np.unique(ratings[~np.isnan(ratings)])
    given = (ratings[:, :, None] == values).sum(axis=0).astype(np.float64)
    given = given[given.sum(axis=1) >= 2]
    pairs = given[:, :, None] * (given[:, None, :] - np.eye(len(values)))
    return pairs / (given.sum(axis=1) - 1)[:, None, None]


class Rows(NamedTuple):
    """Rows of the table that are made of the same cohorts.

    `hits` draws a cohort of a size, and says for each row whether it is a hit. Its list is empty if the
    cohort does not count.
    """

    names: list[str]
    hits: Callable[[np.random.Generator, int], list[bool]]


def includes(found, truth):
    return found.low <= truth <= found.high


def wilson_row(base):
    def hits(generator, n):
        return [includes(wilson(generator.binomial(n, base), n), base)]

    return Rows([f"win rate {base:.0%}, Wilson"], hits)


def logistic_rows(slope, base, *, shown):
    """The slope and the predictions at some scores."""
    truths = [float(1 / (1 + np.exp(-intercept(slope, base) - slope * score))) for score in PREDICTED]

    def hits(generator, n):
        fitted = fitted_if(logistic_cohort(generator, n, slope, base), shown=shown)
        if fitted is None:
            return []
        predicted = predict(fitted, np.array(PREDICTED))
        return [includes(fitted.slope, slope), *map(includes, predicted, truths)]

    cohort = f"slope {slope}, {base:.0%} won{', 10 of each' if shown else ''}"
    return Rows([cohort, *(f"{cohort}: prediction at {score:.0f}" for score in PREDICTED)], hits)


def fitted_if(cohort, *, shown):
    """The fit, if there are won and lost deals; if `shown`, only if the service would show it."""
    return None if shown and not evidence(cohort.won).sufficient else fit(cohort.scores, cohort.won)


def auc_row(distance):
    truth = NormalDist().cdf(distance / np.sqrt(2))

    def hits(generator, n):
        cohort = binormal_cohort(generator, n, distance)
        found = auc(cohort.scores, cohort.won)
        return [includes(found, truth)] if found else []

    return Rows([f"AUC {truth:.2f}, DeLong"], hits)


def several_sessions_rows():
    large = cohort_of_several_sessions(np.random.default_rng(0), POPULATION)
    weights = prospect_weights(large.prospects)
    rate = float(np.average(large.won, weights=weights))
    area = auc(large.scores, large.won, weights).estimate
    slope = fit(large.scores, large.won, weights).slope.estimate

    def hits(generator, n):
        scores, won, prospects = cohort_of_several_sessions(generator, n)
        shares = prospect_weights(prospects)
        return [
            includes(wilson(float(shares[won].sum()), float(shares.sum())), rate),
            includes(fit(scores, won, shares).slope, slope),
            includes(auc(scores, won, shares), area),
            includes(clustered_auc(scores, won, prospects), area),
        ]

    names = ("win rate, Wilson", "slope", f"AUC {area:.2f}, DeLong", f"AUC {area:.2f}, resampled")
    return Rows([f"1 to {MOST_SESSIONS} sessions of a prospect: {name}" for name in names], hits)


def alpha_row(raters, noise, metric):
    large = ratings_of_raters(np.random.default_rng(0), POPULATION // 4, raters, noise)
    truth = alpha_of_groups(coincidences(large), metric).estimate

    def hits(generator, n):
        found = alpha_of_groups(coincidences(ratings_of_raters(generator, n, raters, noise)), metric)
        return [includes(found, truth)] if found else []

    return Rows([f"alpha {truth:.2f}, {metric}, {raters} raters"], hits)


def noise_slope_row():
    def hits(generator, n):
        fitted = fitted_if(logistic_cohort(generator, n, slope=0.0), shown=True)
        return [fitted.shows_a_slope] if fitted else []

    return Rows(["pure noise: shows a slope"], hits)


def noise_questions_row():
    """The ratings of a session are alike, as in real sets; the outcome has nothing to do with them."""

    def hits(generator, n):
        won = generator.random(n) < 0.5
        ratings = generator.normal(size=(n, 1)) + generator.normal(size=(n, QUESTIONS))
        ratings = 3 + np.round(np.clip(ratings, -2, 2))
        rated = generator.random(ratings.shape) >= SHARE_OF_MISSING
        p_values = [
            mann_whitney_p_value(ratings[rows, question], won[rows])
            for question, rows in enumerate(rated.T)
            if evidence(won[rows]).sufficient
        ]
        return [any(p is not None and p <= SIGNIFICANT for p in benjamini_hochberg(p_values))]

    return Rows([f"pure noise: one of {QUESTIONS} questions matters"], hits)


def all_rows() -> Iterator[Rows]:
    yield from (wilson_row(base) for base in (0.5, 0.25))
    yield from (
        logistic_rows(slope, base, shown=shown)
        for slope, base in ((0.05, 0.5), (0.05, 0.25), (0.1, 0.5))
        for shown in (False, True)
    )
    yield from (auc_row(distance) for distance in (0.0, 0.55, 1.2, 2.3))
    yield several_sessions_rows()
    yield from (alpha_row(2, noise, "ordinal") for noise in (0.2, 0.6, 2.0, 50.0))
    yield from (alpha_row(3, noise, "nominal") for noise in (0.2, 0.6, 2.0))
    yield noise_slope_row()
    yield noise_questions_row()


def shares(rows: Rows, n: int, replications: int) -> tuple[list[float], int]:
    """The share of hits in each row, and how many cohorts count."""
    generator = np.random.default_rng(n)
    hits = [found for _ in range(replications) if (found := rows.hits(generator, n))]
    return np.mean(hits, axis=0).tolist(), len(hits)


def main(part: str) -> None:
    print(f"| 95 % interval of | {' | '.join(f'n = {n}' for n in SIZES)} |\n|---|{'---|' * len(SIZES)}")
    for rows in all_rows():
        if not any(part in name for name in rows.names):
            continue
        found = [shares(rows, n, REPLICATIONS) for n in SIZES]
        for index, name in enumerate(rows.names):
            cells = (
                f"{100 * hits[index]:.1f} %{'' if counted == REPLICATIONS else f' of {counted}'}"
                for hits, counted in found
            )
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
