import pytest

from app.edge.openapi import described
from app.main import create_app
from tests.conftest import settings_for

VERSIONS = ("3.1", "3.0", "2.0")


@pytest.fixture(scope="session")
def documents():
    """The description of the whole API by version. Nothing ever connects to the address."""
    public = {"public_url": "https://fit.example.com/api"}
    app = create_app(settings_for("postgresql://127.0.0.1:1/none", **public))
    return {version: described(app, version) for version in VERSIONS}
