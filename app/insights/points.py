"""The sessions or accounts behind each point of a report: a band, group, question, cell or class.

Each function takes the data that the report is computed from, so a list has as many members as the report
says.
"""

from collections import defaultdict
from collections.abc import Iterable

from app.insights import calibration, concentration, decisions, outcomes, portfolio, questions
from app.insights.deals import Deal
from app.insights.queries import ConcludedSession
from app.insights.report import NO_NAME, Member, Points


def of_calibration(concluded: calibration.Concluded) -> Points:
    """Return the sessions of each band, by its label."""
    bands = calibration.sessions_by_band(calibration.with_verdict(concluded.sessions))
    return {label: _members(found) for label, found in bands.items()}


def of_questions(concluded: questions.Concluded) -> Points:
    """Return the sessions that rated each question, by its key."""
    return {key: _members(found) for key, found in questions.sessions_by_question(concluded).items()}


def of_outcomes(read: outcomes.Outcomes) -> Points:
    """Return the won and lost deals of each group, such as `quarter:2026-Q1`; `none` if it has no name."""
    groups = outcomes.deals_by_group(read)
    return {
        f"{by}:{name or NO_NAME}": _members(one for one in found if one.outcome != "no_decision")
        for (by, name), found in groups.items()
    }


def of_decisions(read: decisions.Decisions) -> Points:
    """Return the sessions of each indication and decision, such as `fit:pursue`. No indication is `none`."""
    found: defaultdict[str, list[Member]] = defaultdict(list)
    for one in read.decided:
        if not one.hindsight:
            found[f"{one.indication or NO_NAME}:{one.decision}"].append(Member(one.prospect, one.session))
    return found


def of_portfolio(read: portfolio.Accounts) -> Points:
    """Return the accounts of each cell, and those that are in none: `unsettled` and `not_rated`."""
    found: defaultdict[str, list[Member]] = defaultdict(list)
    for account, place in portfolio.places(read):
        found[place].append(Member(account.prospect, account.session))
    return found


def of_concentration(amounts: concentration.Amounts) -> Points:
    """Return the accounts of each class, the largest first."""
    found: defaultdict[str, list[Member]] = defaultdict(list)
    for one in concentration.ranked(amounts):
        found[one.class_name].append(Member(one.account.prospect, None, one.account.amount))
    return found


def of_assessors(_: object) -> Points:
    """Return nothing: this report has no points."""
    return {}


def _members(found: Iterable[ConcludedSession | Deal]) -> list[Member]:
    return [Member(one.prospect, one.session) for one in found]
