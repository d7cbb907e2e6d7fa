"""All reports. Importing this imports numpy."""

from collections.abc import Callable
from typing import Any

from app.insights import (
    assessors,
    calibration,
    concentration,
    decisions,
    outcomes,
    points,
    portfolio,
    questions,
)
from app.insights.report import Catalogue, Points, Report


def _report(module: Any, points_of: Callable[[Any], Points]) -> Report[Any, Any]:
    return Report(module.read, module.compute, module.table, points_of)


CATALOGUE = Catalogue(
    reports={
        "calibration": _report(calibration, points.of_calibration),
        "questions": _report(questions, points.of_questions),
        "assessors": _report(assessors, points.of_assessors),
        "decisions": _report(decisions, points.of_decisions),
        "outcomes": _report(outcomes, points.of_outcomes),
        "portfolio": _report(portfolio, points.of_portfolio),
        "concentration": _report(concentration, points.of_concentration),
    },
    fit_win_curve=calibration.fit_win_curve,
)
