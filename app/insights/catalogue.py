"""All reports. Importing this imports numpy."""

from app.insights import calibration, questions
from app.insights.report import Catalogue, Report

CATALOGUE = Catalogue(
    reports={
        "calibration": Report(calibration.read, calibration.compute, calibration.table),
        "questions": Report(questions.read, questions.compute, questions.table),
    },
    fit_win_curve=calibration.fit_win_curve,
)
