"""The guide to the first day, run as it stands."""

import pytest

from tests.conftest import ROOT, needs
from tests.docs.test_authoring import BLOCK, run, service

pytestmark = pytest.mark.one_database

__all__ = ["service"]


def test_every_command_of_the_first_day_works_in_its_order(service, tmp_path):
    """The revenue of Corner Shop cannot be read, and the last line of the batch has a bad rating."""
    needs("curl")
    page = (ROOT / "docs" / "first-day.md").read_text("utf-8")
    facts, [aliases], deals, again, lines, moved = (
        run(block, service, tmp_path, "") for block in BLOCK.findall(page)
    )
    assert facts[0] == "Imported 3 rows of accounts.csv: 3 created, 0 changed, 0 unchanged."
    assert facts[1].startswith("Qualified 3 rows, and opened 3 sessions: ")
    assert '  row 4, Annual revenue: "30 Mio" is not a number' in facts
    assert len(aliases["aliases"]) == 2
    assert deals[0] == "Imported 3 rows of deals.csv: 0 created, 3 changed, 0 unchanged."
    assert deals[1].startswith("Qualified 3 rows, and opened 3 sessions: ")
    assert (again[-1]["unchanged"], again[-1]["sessions_opened"], again[-1]["done"]) == (3, 0, True)
    assert [sorted(line) for line in lines] == [["line", "result"], ["line", "problem"]]
    assert moved[0].startswith("Moved 0 sessions to bant@1.")
    sessions = service.client.get("/v1/sessions?question_set=bant&outcome=won").json()["items"]
    assert [one["deal"] for one in sessions] == ["D-1"]
    told = service.client.get(f"/v1/sessions/{sessions[0]['session_id']}").json()
    assert (told["outcome"]["amount"], told["outcome"]["hindsight"]) == (78000, True)
    assert told["decision"]["actor"] == "import:deals.csv"
