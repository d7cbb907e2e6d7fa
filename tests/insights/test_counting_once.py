"""A deal counts once, however many sessions it has."""

from app.insights.deals import count_once, quarter_of
from tests.insights.ended import ended


def counted(*sessions, **how):
    return [(one.prospect, one.outcome) for one in count_once(sessions, **how)]


def test_the_last_outcome_of_a_deal_counts():
    lost, won = (ended(outcome, prospect="P", deal="D") for outcome in ("lost", "won"))
    assert counted(lost, won) == [("P", "won")]
    assert counted(won, lost) == [("P", "lost")]


def test_deals_of_one_prospect_are_different():
    assert len(count_once([ended("won", prospect="P", deal=deal) for deal in ("1", "2")])) == 2


def test_the_same_name_of_a_deal_at_another_prospect_is_another_deal():
    assert len(count_once([ended("won", prospect=prospect, deal="D") for prospect in ("P", "Q")])) == 2


def test_without_a_deal_the_sessions_of_several_assessors_and_sets_on_one_day_are_one():
    sessions = [
        ended("won", prospect="P", assessor="ana"),
        ended("won", prospect="P", assessor="ben"),
        ended("won", prospect="P", assessor="ana", question_set="champ"),
    ]
    assert len(count_once(sessions)) == 1


def test_without_a_deal_the_sessions_of_one_assessor_on_one_set_are_several():
    assert len(count_once([ended("won", prospect="P", assessor="ana") for _ in range(3)])) == 3


def test_without_a_deal_outcomes_of_different_days_are_several():
    days = ("2026-01-31", "2026-02-01")
    assert len(count_once([ended("won", prospect="P", day=day, assessor=day) for day in days])) == 2


def test_by_set_a_deal_counts_once_for_each_version():
    sessions = [
        ended("won", prospect="P", deal="D", question_set=key, version=version)
        for key, version in (("bant", 1), ("bant", 2), ("champ", 1), ("champ", 1))
    ]
    assert len(count_once(sessions)) == 1
    assert len(count_once(sessions, by_set=True)) == 3


def test_what_the_last_session_lacks_comes_from_an_earlier_one_with_the_same_outcome():
    known = {"amount": 900.0, "currency": "EUR", "reason": "price", "competitor": "Acme"}
    of_deal = {"prospect": "P", "deal": "D"}
    (deal,) = count_once([ended("lost", **of_deal, **known), ended("lost", **of_deal)])
    assert (deal.amount, deal.currency, deal.reason, deal.competitor) == (900.0, "EUR", "price", "Acme")


def test_an_amount_keeps_its_currency():
    earlier = ended("won", prospect="P", deal="D", amount=900.0, currency="EUR")
    (deal,) = count_once([earlier, ended("won", prospect="P", deal="D", amount=5.0)])
    assert (deal.amount, deal.currency) == (5.0, None)


def test_a_reason_for_losing_is_not_one_for_winning():
    lost = ended("lost", prospect="P", deal="D", reason="price")
    assert count_once([lost, ended("won", prospect="P", deal="D")])[0].reason is None


def test_quarters():
    days = ("2026-01-01", "2026-03-31", "2026-04-01", "2026-12-31")
    assert [quarter_of(ended("won", day=day)) for day in days] == ["2026-Q1", "2026-Q1", "2026-Q2", "2026-Q4"]
