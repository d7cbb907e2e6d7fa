"""How far assessors agree, what they skip, and who rates everything alike."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from app.insights.assessed import AssessedSession
from app.insights.assessors import Assessors, compute, table
from app.insights.report import Persons
from app.scoring import Question
from tests.insights.statistics.data import OBSERVERS

EVERYONE, NOBODY = Persons(everyone=True, own=None), Persons(everyone=False, own=None)
QUESTIONS = ("budget", "need", "timeline", "goal", "trust")


def asked(*keys, **more):
    return {key: Question(key=key, text=f"How is the {key}?", dimension="need", **more) for key in keys}


def rated(assessor, prospect, *ratings, questions=QUESTIONS, **more):
    """A session. A rating is a number, a state, or None for a question without an answer."""
    given = [f"{key}:{rating}" for key, rating in zip(questions, ratings, strict=False) if rating is not None]
    known = {"deal": "", "version": 1, "coverage": 1.0, "hindsight": False, **more}
    return AssessedSession(prospect=prospect, assessor=assessor, answers=",".join(given), **known)


def report(sessions, questions=QUESTIONS, persons=EVERYONE, versions=None, **more):
    versions = {1: asked(*questions)} if versions is None else versions
    known = {"without_assessor": 0, "gated": frozenset(), "with_hindsight": False, **more}
    return compute(
        Assessors(question_set="s", sessions=list(sessions), versions=versions, persons=persons, **known)
    )


def published_example(**more):
    return [
        rated(name, f"P{unit}", int(rating), questions=["budget"], **more)
        for name, ratings in zip("ABCD", OBSERVERS, strict=True)
        for unit, rating in enumerate(ratings)
        if not np.isnan(rating)
    ]


def test_alpha_of_the_published_example():
    found = report(published_example(), ["budget"])
    # Krippendorff (2011), example C: one of the twelve units has only one rating.
    assert found.alpha.estimate == pytest.approx(0.815, abs=5e-4)
    assert found.questions[0].alpha == found.alpha
    assert (found.sessions, found.assessors, found.compared, found.prospects) == (41, 4, 11, 11)
    assert found.preliminary
    assert found.summary.startswith("On 11 deals that several assessors rated, they agree to some extent")


def test_kappa_of_a_pair():
    found = report(published_example(), ["budget"])
    # B and D have ten units in common, and so have C and D.
    b_and_d = {tuple(pair.assessors): pair for pair in found.pairs}["B", "D"]
    both = ~np.isnan(OBSERVERS[[1, 3]]).any(axis=0)
    expected = cohen_kappa_score(OBSERVERS[1][both], OBSERVERS[3][both], weights="quadratic")
    assert (b_and_d.deals, b_and_d.ratings) == (10, 10)
    assert b_and_d.kappa.estimate == pytest.approx(expected)


def test_a_prospect_with_500_deals_counts_as_one():
    """On that prospect they disagree; on the 20 others they agree."""
    disagreeing = [
        rated(name, "P", rating, deal=f"D{number}")
        for number in range(500)
        for name, rating in (("ana", 1), ("ben", 5))
    ]
    agreeing = [rated(name, f"Q{number}", 1 + number % 5) for number in range(20) for name in ("ana", "ben")]
    once = [rated("ana", "P", 1), rated("ben", "P", 5)]
    many, one = report([*disagreeing, *agreeing]), report([*once, *agreeing])
    assert (many.compared, many.prospects) == (520, 21)
    assert many.alpha.estimate == pytest.approx(one.alpha.estimate)
    assert many.pairs[0].kappa.estimate == pytest.approx(one.pairs[0].kappa.estimate)


def test_the_newest_session_of_an_assessor_on_a_deal_counts():
    earlier = [rated("ana", f"P{number}", 5 - number % 5) for number in range(12)]
    found = report(
        [
            *earlier,
            *(rated(name, f"P{number}", 1 + number % 5) for number in range(12) for name in ("ana", "ben")),
        ]
    )
    assert (found.compared, found.alpha.estimate) == (12, 1)


def test_other_deals_and_other_versions_are_not_compared():
    versions = {1: asked(*QUESTIONS), 2: asked(*QUESTIONS)}
    sessions = [rated("ana", "P", 1), rated("ben", "P", 1, deal="D"), rated("cem", "P", 1, version=2)]
    found = report(sessions, versions=versions)
    assert (found.compared, found.alpha) == (0, None)
    assert (
        found.summary
        == "3 assessors rated 3 sessions, but no deal has ratings by several assessors on the same version."
    )


def test_answers_that_are_no_ratings_are_not_compared():
    found = report([rated("ana", "P", "unknown", 3), rated("ben", "P", 3, "not_applicable")])
    assert [one.compared for one in found.questions[:2]] == [0, 0]


@pytest.mark.parametrize("ratings", [[3] * 12, [1, 5] * 4], ids=["all equal", "few"])
def test_agreement_that_cannot_be_measured(ratings):
    found = report(
        rated(name, f"P{number}", rating) for number, rating in enumerate(ratings) for name in ("ana", "ben")
    )
    assert (found.alpha, found.pairs[0].kappa) == (None, None)
    assert "too few, or too much alike, to measure how far they agree" in found.summary


def test_no_sessions():
    found = report([], versions={})
    assert (found.alpha, found.questions, found.pairs, found.persons) == (None, [], [], [])
    assert found.summary == "No session with answers names its assessor, so there is nothing to compare."


def test_what_a_person_usually_skips():
    """Ana leaves the goal out in all of six sessions, and the timeline in three of them."""
    ana = [rated("ana", f"P{number}", 1, 5, None if number % 2 else 3, None, 2) for number in range(6)]
    ben = [rated("ben", f"P{number}", 1, 5, 3, "unknown", 2) for number in range(6)]
    stopped = rated("ben", "P9", 1, coverage=0.2)
    found = report([*ana, *ben, stopped])
    of_ana, of_ben = found.persons
    (goal,) = of_ana.usually_skips
    # 6 of 6 by scipy's binomtest(6, 6).proportion_ci(method="wilson").
    assert (goal.question, goal.asked, goal.skipped, goal.share.low) == (
        "goal",
        6,
        6,
        pytest.approx(0.6097, abs=1e-4),
    )
    assert of_ben.usually_skips == []
    assert [(one.asked, one.skipped, one.usually_skipped_by) for one in found.questions] == [
        (12, 0, 0),
        (12, 0, 0),
        (12, 3, 0),
        (12, 6, 1),
        (12, 0, 0),
    ]


def test_what_a_rule_may_answer_and_what_may_not_be_asked_is_not_skipped():
    by_rule = {"attribute": "size", "bands": [{"below": 9, "rating": 1}, {"rating": 5}]}
    questions = {
        **asked("budget"),
        **asked("need", rate_from=by_rule),
        **asked("timeline", ask_when={"size": {"exists": True}}),
        **asked("trust"),
    }
    found = report([rated("ana", "P", 4)], versions={1: questions}, gated=frozenset({"trust"}))
    assert [(one.question, one.skipped) for one in found.questions] == [
        ("budget", 0),
        ("need", None),
        ("timeline", None),
        ("trust", None),
    ]


def test_straight_lining():
    """Ten equal ratings, nine of ten, eight of ten, and three equal ones, which are too few."""
    questions = [f"q{number}" for number in range(10)]
    lines = [[3] * 10, [3] * 9 + [1], [3] * 8 + [1, 2], [3] * 3]
    found = report(
        [rated("ana", f"P{place}", *line, questions=questions) for place, line in enumerate(lines)], questions
    )
    assert (found.straight_lining.sessions, found.straight_lining.straight_lined) == (3, 2)
    # 2 of 3 may be half of them: no habit.
    assert (found.straight_lining.share.low, found.straight_liners) == (pytest.approx(0.2077, abs=1e-4), 0)


def test_who_usually_rates_everything_alike():
    ana = [rated("ana", f"P{number}", 4, 4, 4, 4, 4) for number in range(5)]
    ben = [rated("ben", f"P{number}", 4, 4, 4, 4, 1) for number in range(5)]
    found = report([*ana, *ben])
    assert [one.usually_straight_lines for one in found.persons] == [True, False]
    assert found.straight_liners == 1
    assert found.summary.endswith("1 assessor usually gives nearly all questions the same rating.")


def test_hindsight_is_left_out_counted_and_shown_apart():
    sessions = [*published_example(), *published_example(hindsight=True)]
    found = report(sessions, ["budget"])
    assert (found.sessions, found.excluded.hindsight, found.hindsight) == (41, 41, None)
    apart = report(sessions, ["budget"], with_hindsight=True).hindsight
    assert (apart.sessions, apart.alpha) == (41, found.alpha)


def test_figures_of_persons():
    everyone = report(published_example(), ["budget"])
    assert [one.person for one in everyone.persons] == ["A", "B", "C", "D"]
    assert len(everyone.pairs) == 6
    nobody = report(published_example(), ["budget"], persons=NOBODY)
    assert (nobody.persons, nobody.pairs, nobody.alpha) == (None, None, everyone.alpha)
    own = report(published_example(), ["budget"], persons=Persons(everyone=False, own="B"))
    assert (own.persons, own.pairs) == ([everyone.persons[1]], None)


def test_more_prospects_than_groups_to_draw():
    """600 prospects are drawn in 200 groups: the estimate is that of all of them."""
    sessions = [
        rated(name, f"P{number}", 1 + (number + (name == "ben" and number % 7 == 0)) % 5, 1 + number % 2)
        for number in range(600)
        for name in ("ana", "ben")
    ]
    found = report(sessions)
    first, second = ([1 + (n + (by and n % 7 == 0)) % 5 for n in range(600)] for by in (False, True))
    expected = cohen_kappa_score(
        [*first, *(1 + n % 2 for n in range(600))],
        [*second, *(1 + n % 2 for n in range(600))],
        weights="quadratic",
    )
    assert found.pairs[0].kappa.estimate == pytest.approx(expected)
    assert not found.preliminary


def test_the_table_has_a_row_for_each_question():
    columns, rows = table(report(published_example(), ["budget", "need"]))
    cells = [dict(zip([column.name for column in columns], row, strict=True)) for row in rows]
    assert [(one["question"], one["label"], one["compared"], one["skipped"]) for one in cells] == [
        (None, "all questions", 11, None),
        ("budget", "budget", 11, 0),
        ("need", "need", 0, 41),
    ]
