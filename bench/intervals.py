"""How often intervals of the insights include the truth: python -m bench.intervals [PART OF A NAME]

Each replication draws a cohort from a known model. A 95 % interval should include the truth in 93 to 97 % of
the replications. The last rows count how often pure noise passes for a slope or for a question that matters.
"""

import sys
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from app.insights.statistics.agreement import krippendorff_alpha
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


class Row(NamedTuple):
    """A row of the table. `hits` draws a cohort of a size; its list is empty if the cohort does not count."""

    name: str
    hits: Callable[[np.random.Generator, int], list[bool]]


def includes(found, truth):
    return [] if found is None else [found.low <= truth <= found.high]


def wilson_row(base):
    def hits(generator, n):
        return includes(wilson(generator.binomial(n, base), n), base)

    return Row(f"win rate {base:.0%}, Wilson", hits)


def slope_row(slope, base, *, shown):
    def hits(generator, n):
        cohort = logistic_cohort(generator, n, slope, base)
        fitted = fitted_if(cohort, shown=shown)
        return includes(fitted.slope, slope) if fitted else []

    return Row(f"slope {slope} at {base:.0%} won{', 10 of each' if shown else ''}", hits)


def prediction_row(score, slope, base, *, shown):
    def hits(generator, n):
        fitted = fitted_if(logistic_cohort(generator, n, slope, base), shown=shown)
        truth = 1 / (1 + np.exp(-intercept(slope, base) - slope * score))
        return includes(predict(fitted, np.array([score]))[0], truth) if fitted else []

    name = f"prediction at {score}, slope {slope} at {base:.0%} won{', 10 of each' if shown else ''}"
    return Row(name, hits)


def fitted_if(cohort, *, shown):
    """The fit, if there are won and lost deals; if `shown`, only if the service would show it."""
    return None if shown and not evidence(cohort.won).sufficient else fit(cohort.scores, cohort.won)


def auc_row(distance):
    truth = NormalDist().cdf(distance / np.sqrt(2))

    def hits(generator, n):
        cohort = binormal_cohort(generator, n, distance)
        return includes(auc(cohort.scores, cohort.won), truth)

    return Row(f"AUC {truth:.2f}, DeLong", hits)


def several_sessions_rows():
    large = cohort_of_several_sessions(np.random.default_rng(0), POPULATION)
    weights = prospect_weights(large.prospects)
    rate = float(np.average(large.won, weights=weights))
    area = auc(large.scores, large.won, weights).estimate
    slope = fit(large.scores, large.won, weights).slope.estimate

    def row(name, truth, estimate):
        def hits(generator, n):
            cohort = cohort_of_several_sessions(generator, n)
            return includes(estimate(cohort, prospect_weights(cohort.prospects)), truth)

        return Row(f"1 to {MOST_SESSIONS} sessions of a prospect: {name}", hits)

    yield row("win rate, Wilson", rate, lambda c, w: wilson(w[c.won].sum(), w.sum()))
    yield row("slope", slope, lambda c, w: fit(c.scores, c.won, w).slope)
    yield row(f"AUC {area:.2f}, DeLong", area, lambda c, w: auc(c.scores, c.won, w))
    yield row(f"AUC {area:.2f}, resampled", area, lambda c, _: clustered_auc(c.scores, c.won, c.prospects))


def alpha_row(raters, noise, metric):
    large = ratings_of_raters(np.random.default_rng(0), POPULATION // 4, raters, noise)
    truth = krippendorff_alpha(large, metric).estimate

    def hits(generator, n):
        return includes(krippendorff_alpha(ratings_of_raters(generator, n, raters, noise), metric), truth)

    return Row(f"alpha {truth:.2f}, {metric}, {raters} raters", hits)


def noise_slope_row():
    def hits(generator, n):
        fitted = fitted_if(logistic_cohort(generator, n, slope=0.0), shown=True)
        return [fitted.shows_a_slope] if fitted else []

    return Row("pure noise: shows a slope", hits)


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

    return Row(f"pure noise: one of {QUESTIONS} questions matters", hits)


def rows() -> Iterator[Row]:
    yield from (wilson_row(base) for base in (0.5, 0.25))
    for slope, base, shown in (
        (0.05, 0.5, False),
        (0.05, 0.25, False),
        (0.1, 0.5, False),
        (0.05, 0.5, True),
        (0.05, 0.25, True),
    ):
        yield slope_row(slope, base, shown=shown)
        yield from (prediction_row(score, slope, base, shown=shown) for score in (40, 60, 80))
    yield from (auc_row(distance) for distance in (0.0, 0.55, 1.2, 2.3))
    yield from several_sessions_rows()
    yield from (alpha_row(2, noise, "ordinal") for noise in (0.2, 0.6, 2.0, 50.0))
    yield from (alpha_row(3, noise, "nominal") for noise in (0.2, 0.6, 2.0))
    yield noise_slope_row()
    yield noise_questions_row()


def share(row: Row, n: int, replications: int) -> tuple[float, int]:
    """The share of hits, and how many cohorts count."""
    generator = np.random.default_rng(n)
    hits = [hit for _ in range(replications) for hit in row.hits(generator, n)]
    return (sum(hits) / len(hits) if hits else 0.0), len(hits)


def main(part: str) -> None:
    print(f"| 95 % interval of | {' | '.join(f'n = {n}' for n in SIZES)} |\n|---|{'---|' * len(SIZES)}")
    for row in rows():
        if part not in row.name:
            continue
        print(f"| {row.name} ", end="", flush=True)
        for n in SIZES:
            found, counted = share(row, n, REPLICATIONS)
            of = "" if counted == REPLICATIONS else f" (of {counted})"
            print(f"| {100 * found:.1f} %{of} ", end="", flush=True)
        print("|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
