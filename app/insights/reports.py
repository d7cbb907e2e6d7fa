"""Find the reports without importing numpy when the service starts."""

from collections.abc import Mapping
from typing import Any

from app.insights.report import Report, ReportName


def reports() -> Mapping[ReportName, Report[Any, Any]]:
    """Return the reports. The first call takes a tenth of a second, because it imports numpy."""
    from app.insights.catalogue import REPORTS  # noqa: PLC0415

    return REPORTS
