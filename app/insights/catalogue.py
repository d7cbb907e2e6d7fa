"""All reports. Importing this imports numpy."""

from collections.abc import Mapping
from typing import Any

from app.insights import calibration, questions
from app.insights.report import Report, ReportName

REPORTS: Mapping[ReportName, Report[Any, Any]] = {
    "calibration": Report(calibration.read, calibration.compute, calibration.table),
    "questions": Report(questions.read, questions.compute, questions.table),
}
