"""`import FILE --qualify SET`: a workbook with last year's deals, once and again."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.api.calls import end_of_feed, events_after, every_page, session
from tests.api.conftest import database, publish, small
from tests.cli.started import Started
from tests.conftest import ENCRYPTION_KEY, Running

__all__ = ["database", "publish", "small"]
HEADINGS = ("Account", "Need", "Budget", "Opened on", "Decision", "Outcome", "Amount", "Closed on", "Reason")
ROWS = (
    ("Acme", 4, 5, date(2025, 1, 15), "Pursue", "Won", 78_000, date(2025, 3, 31), None),
    ("Beta", 2, "n/a", date(2025, 2, 1), None, "Lost", None, date(2025, 4, 30), "Too expensive"),
    ("Gamma", 9, 5, None, None, None, None, None, None),
    ("Delta", 3, 3, None, None, None, "30 Mio", None, None),
)
Import = Callable[..., list[str]]


@pytest.fixture
def imported(started: Started, service: Running, tmp_path: Path) -> Import:
    """Runs `prospect-fit import` beside the service: what it prints."""
    settings = {"PROSPECT_FIT_DATABASE_URL": service.settings.database_url.get_secret_value()}
    if not service.is_sqlite:
        settings["PROSPECT_FIT_ENCRYPTION_KEY"] = ENCRYPTION_KEY

    def run(*arguments: str) -> list[str]:
        done = started.run(["import", *arguments], tmp_path, **settings)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout.splitlines()

    return run


def test_a_workbook_is_imported_and_scored_in_one_go(client, small, link, imported, tmp_path) -> None:
    workbook = Workbook()
    for row in (HEADINGS, *ROWS):
        workbook.active.append(row)
    workbook.save(tmp_path / "deals.xlsx")
    source = f"xlsx-{link['external_id']}"[:64]
    options = ("--source", source, "--id", "Account", "--name", "Account", "--qualify", small)
    said = imported("deals.xlsx", *options, "--rejects", "rejects.csv")
    assert said[:2] == [
        "Imported 3 rows of deals.xlsx: 3 created, 0 changed, 0 unchanged.",
        "Qualified 3 rows, and opened 3 sessions: 3 undetermined.",
    ]
    assert '  row 5, Amount: "30 Mio" is not a number' in said
    assert "1 row could not be imported. See rejects.csv." in said

    prospects = every_page(client, f"/v1/prospects?source={source}")
    assert sorted(prospect["name"] for prospect in prospects) == ["Acme", "Beta", "Delta"]
    (line,) = every_page(client, f"/v1/sessions?question_set={small}&outcome=won")
    won = session(client, line["session_id"])
    assert won["opened_at"] == "2025-01-15T00:00:00Z"
    assert {name: won["outcome"][name] for name in ("amount", "closed_on", "hindsight", "actor")} == {
        "amount": 78_000,
        "closed_on": "2025-03-31",
        "hindsight": True,
        "actor": "import:deals.xlsx",
    }

    cursor = end_of_feed(client)
    again = imported("deals.xlsx", *options, "--rejects", "again.csv")
    assert again[0] == "Imported 3 rows of deals.xlsx: 0 created, 0 changed, 3 unchanged."
    assert again[1].startswith("Qualified 3 rows, and opened 0 sessions: ")
    assert events_after(client, cursor) == []
