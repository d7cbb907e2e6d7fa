"""Find the reports without importing numpy when the service starts."""

from app.insights.report import Catalogue


def catalogue() -> Catalogue:
    """Return the catalogue. The first call takes a tenth of a second, because it imports numpy."""
    from app.insights.catalogue import CATALOGUE  # noqa: PLC0415

    return CATALOGUE
