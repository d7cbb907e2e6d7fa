"""All reports. Importing this imports numpy."""

from app.insights import assessors, calibration, concentration, decisions, outcomes, portfolio, questions
from app.insights.report import Catalogue, Report

CATALOGUE = Catalogue(
    reports={
        "calibration": Report(calibration.read, calibration.compute, calibration.table),
        "questions": Report(questions.read, questions.compute, questions.table),
        "assessors": Report(assessors.read, assessors.compute, assessors.table),
        "decisions": Report(decisions.read, decisions.compute, decisions.table),
        "outcomes": Report(outcomes.read, outcomes.compute, outcomes.table),
        "portfolio": Report(portfolio.read, portfolio.compute, portfolio.table),
        "concentration": Report(concentration.read, concentration.compute, concentration.table),
    },
    fit_win_curve=calibration.fit_win_curve,
)
