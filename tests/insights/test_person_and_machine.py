"""How decisions compare with indications, from decisions to the report."""

from itertools import count

import pytest

from app.insights.decisions import Decided, Decisions, compute, direction_of, table
from app.insights.report import Persons

EVERYONE, NOBODY = Persons(everyone=True, own=None), Persons(everyone=False, own=None)
prospects = count(1)


def decided(indication, decision, outcome=None, person="ana", **more):
    known = {"prospect": f"P{next(prospects)}", "hindsight": False, **more}
    return Decided(
        session="S", indication=indication, decision=decision, person=person, outcome=outcome, **known
    )


def report(*found, superseded=0, with_hindsight=False, persons=EVERYONE):
    return compute(Decisions(None, list(found), superseded, with_hindsight, persons))


@pytest.mark.parametrize(
    ("indication", "directions"),
    [
        ("fit", ["agrees", "more_cautious", "more_cautious"]),
        ("mixed", ["bolder", "agrees", "more_cautious"]),
        ("no_fit", ["bolder", "bolder", "agrees"]),
        *((one, [None, None, None]) for one in ("undetermined", "unscorable", None)),
    ],
)
def test_direction(indication, directions):
    decisions = ("pursue", "nurture", "disqualify")
    assert [direction_of(indication, decision) for decision in decisions] == directions


def test_how_often_decisions_differ_and_how_the_sessions_ended():
    found = report(
        decided("fit", "pursue", "won"),
        decided("fit", "pursue", "lost"),
        decided("fit", "pursue"),
        decided("fit", "disqualify"),
        decided("no_fit", "pursue", "lost"),
        decided("no_fit", "disqualify", "no_decision"),
        decided("undetermined", "pursue", "won"),
        superseded=3,
    )
    # 2 of 6 by scipy's binomtest(2, 6).proportion_ci(method="wilson").
    assert (found.compared, found.differs.estimate) == (6, pytest.approx(1 / 3))
    assert (found.differs.low, found.differs.high) == pytest.approx((0.0968, 0.7), abs=1e-4)
    assert found.excluded.model_dump() == {"superseded": 3, "hindsight": 0, "no_suggestion": 1}
    agrees, bolder, more_cautious = found.directions
    assert (agrees.sessions, agrees.won, agrees.lost) == (4, 1, 1)
    assert (agrees.no_decision, agrees.without_outcome) == (1, 1)
    assert (agrees.win_rate.estimate, agrees.win_rate_bounds.low) == (0.5, pytest.approx(1 / 3))
    assert (bolder.sessions, bolder.lost, bolder.win_rate.estimate) == (1, 1, 0)
    assert (more_cautious.sessions, more_cautious.win_rate) == (1, None)
    assert found.summary == (
        "2 of 6 decisions differed from the indication, 33 % (10 % to 70 %): 1 bolder and 1 more cautious. "
        "The bolder decisions led to no won and 1 lost session."
    )


def test_the_table_has_every_decision_on_every_indication():
    columns, rows = table(
        report(
            decided("fit", "pursue", "won"),
            decided("fit", "nurture"),
            decided(None, "pursue"),
            decided("mixed", "nurture", hindsight=True),
            with_hindsight=True,
        )
    )
    cells = [dict(zip([column.name for column in columns], row, strict=True)) for row in rows]
    assert [(one["indication"], one["decision"], one["sessions"], one["hindsight"]) for one in cells] == [
        ("fit", "pursue", 1, False),
        ("fit", "nurture", 1, False),
        (None, "pursue", 1, False),
        ("mixed", "nurture", 1, True),
    ]
    assert [one["share"] for one in cells] == [0.5, 0.5, 1.0, 1.0]
    # 1 of 2.
    assert cells[0]["share_low"] == pytest.approx(0.0945, abs=1e-4)


def test_a_prospect_with_500_decisions_counts_as_one():
    many = [decided("fit", "disqualify", prospect="P") for _ in range(500)]
    found = report(*many, decided("fit", "pursue"), decided("fit", "pursue"))
    assert found.differs.estimate == pytest.approx(1 / 3)
    assert "500 of 502 decisions" in found.summary
    assert "with each prospect counted as one" in found.summary


def test_hindsight_is_left_out_counted_and_shown_apart():
    known, afterwards = decided("fit", "pursue"), decided("no_fit", "pursue", "won", hindsight=True)
    found = report(known, afterwards)
    assert (found.compared, found.excluded.hindsight, found.hindsight) == (1, 1, None)
    found = report(known, afterwards, with_hindsight=True)
    assert (found.compared, found.hindsight.compared) == (1, 1)
    assert found.hindsight.directions[1].won == 1


def test_figures_of_persons():
    everything = [decided("fit", "pursue"), decided("fit", "nurture", person="ben"), decided(None, "pursue")]
    assert [(one.person, one.compared, one.agrees) for one in report(*everything).persons] == [
        ("ana", 1, 1),
        ("ben", 1, 0),
    ]
    assert report(*everything, persons=NOBODY).persons is None
    own = report(*everything, persons=Persons(everyone=False, own="ben")).persons
    assert [(one.person, one.more_cautious, one.differs.estimate) for one in own] == [("ben", 1, 1.0)]


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        ([], "There are no decisions to compare."),
        (
            [decided("undetermined", "pursue")],
            "No decision was made on an indication of fit, mixed or no fit, so there is nothing to compare.",
        ),
        (
            [decided("fit", "pursue")],
            "0 of 1 decision differed from the indication, 0 % (0 % to 79 %).",
        ),
        (
            [decided("fit", "nurture")],
            (
                "1 of 1 decision differed from the indication, 100 % (21 % to 100 %): 0 bolder and 1 more "
                "cautious. Nobody knows how these sessions would have ended with a bolder decision."
            ),
        ),
        (
            [decided("mixed", "pursue", "no_decision")],
            (
                "1 of 1 decision differed from the indication, 100 % (21 % to 100 %): 1 bolder and 0 more "
                "cautious. None of the sessions with a bolder decision has been won or lost yet."
            ),
        ),
    ],
)
def test_the_summary_is_true_in_every_state(found, summary):
    assert report(*found).summary == summary
