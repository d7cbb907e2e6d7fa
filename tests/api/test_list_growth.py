"""With more sessions in the database, a page of a list takes no more work.

The work is what the database itself counts: on SQLite the steps of its virtual machine, and on PostgreSQL the
blocks that it reads. So the test depends neither on the speed of the machine nor on the shape of a plan.
"""

from datetime import datetime

import pytest
from sqlalchemy import event

from app import narrowing
from app.events.queries import newest_cursor, read_after, read_latest
from app.events.schemas import BEGINNING
from app.main import open_database
from app.prospects.queries import list_prospects
from app.prospects.schemas import ProspectFilter
from app.question_sets.plans import Plans
from app.sessions.queries import list_sessions, verdicts_before
from app.sessions.schemas import SESSION_POSITIONS, SessionFilter
from bench.fill import fill
from tests.conftest import settings_for

STORIES, SMALL, LARGE = 100, 500, 4_000
LIMIT, FEW = 11, 40
STEPS_PER_CALL = 10
# How much more work the larger database may take: its indexes are a level deeper, and pages differ.
MAX_RATIO, MAX_EXTRA = 1.3, {"sqlite": 400, "postgresql": 30}
# In the order of names, all matches are read as long as they are fewer than the names up to the page.
MAX_EXTRA_BY_NAME = {"sqlite": 2500, "postgresql": 800}
FILTERS = [
    {},
    {"status": "open"},
    {"status": "closed"},
    {"indication": "no_fit"},
    {"indication": "unscorable"},
    {"leaning": "fit"},
    {"leaning": "no_fit"},
    {"decision": "nurture"},
    {"outcome": "won"},
    {"question_set": "bant"},
    {"question_set": "meddpicc@1"},
    {"question_set": "qualifying-a-sale"},
    {"subject": "person"},
    {"has_blocker": True},
    {"has_blocker": False},
    {"actor": "ada"},
    {"actor": "nobody"},
    {"deal": "D8"},
    {"assessor": "ada"},
    {"assessor": "nobody"},
    {"revisit_before": "2027-01-01"},
    {"revisit_before": "2027-06-01"},
    {"changed_since": "2000-01-01T00:00:00Z"},
    {"changed_since": "2100-01-01T00:00:00Z"},
    {"indication_changed_since": "2000-01-01T00:00:00Z"},
    {"indication_changed_since": "2100-01-01T00:00:00Z"},
    {"status": "open", "assessor": "ada"},
    {"decision": "nurture", "revisit_before": "2027-06-01"},
    {"outcome": "won", "deal": "D8"},
]
SEARCHES = [
    {},
    {"q": "h harb"},
    {"q": "works"},
    {"q": "nothing"},
    {"q": "works nothing"},
    {"q": "A8"},
    {"source": "crm.accounts"},
    {"source": "crm.rare"},
    {"source": "crm.none"},
    {"updated_since": "2000-01-01T00:00:00Z"},
    {"updated_since": "2100-01-01T00:00:00Z"},
    {"subject": "person"},
    {"q": "works", "source": "crm.accounts"},
]
TYPES = [(), ("outcome.recorded",), ("prospect.merged",), ("outcome.recorded", "prospect.merged")]


class Counting:
    """A filled database that counts the work of what it reads."""

    def __init__(self, url, sessions):
        fill(url, sessions, STORIES)
        self.database = open_database(settings_for(url))
        self.plans = Plans(self.database, "bant")
        self._work = 0
        if self.database.is_sqlite:
            event.listen(self.database.engine, "connect", self._count_steps)

    def _count_steps(self, connection, _):
        def count():
            self._work += STEPS_PER_CALL

        connection.set_progress_handler(count, STEPS_PER_CALL)

    def work(self, read):
        """What a read returns, and its work."""
        self.database.read_sync(read)
        if self.database.is_sqlite:
            self._work = 0
            return self.database.read_sync(read), self._work
        statements = []

        def remember(_, __, statement, parameters, *___):
            statements.append((statement, parameters))

        event.listen(self.database.engine, "before_cursor_execute", remember)
        found = self.database.read_sync(read)
        event.remove(self.database.engine, "before_cursor_execute", remember)
        return found, sum(self._blocks(*one) for one in statements if one[0].startswith("SELECT"))

    def _blocks(self, statement, parameters):
        explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
        with self.database.engine.connect() as connection:
            (plan,) = connection.exec_driver_sql(explain + statement, parameters).scalar_one()
        return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]


@pytest.fixture(scope="module")
def sizes(new_database):
    """A small and a large database."""
    made = [Counting(new_database(), sessions) for sessions in (SMALL, LARGE)]
    yield made
    for one in made:
        one.database.close()


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """The databases and the pages are small, and so is what counts as few."""
    monkeypatch.setattr(narrowing, "FEW", FEW)


def require_no_growth(sizes, read, *, by_name=False):
    """Read the first page of a list and the one after it in both databases, and compare the work."""
    small, large = (list(pages(one, read)) for one in sizes)
    kind = sizes[0].database.engine.dialect.name
    extra = (MAX_EXTRA_BY_NAME if by_name else MAX_EXTRA)[kind]
    assert max(large) <= max(small) * MAX_RATIO + extra, (small, large)


def pages(one, read):
    after = None
    for _ in range(2):
        found, work = one.work(lambda tx: read(tx, one, after))  # noqa: B023
        yield work
        if len(found) < LIMIT:
            return
        after = found[LIMIT - 2]


@pytest.mark.parametrize("sort", SESSION_POSITIONS)
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_page_of_sessions(sizes, filters, sort):
    wanted = SessionFilter.model_validate({**filters, "sort": sort})

    def read(tx, one, after):
        question_set = one.plans.find_filter(tx, wanted.question_set, "query")
        start = after and after.position(sort)
        return list_sessions(tx, wanted, question_set, after=start, limit=LIMIT)

    require_no_growth(sizes, read, by_name=sort == "name")


@pytest.mark.parametrize("since", ["2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"])
@pytest.mark.parametrize("sort", ["ranked", "updated_at"])
def test_the_verdicts_before_a_time_of_a_page_of_sessions(sizes, sort, since):
    wanted = SessionFilter(sort=sort)

    def read(tx, _, after):
        start = after and after.position(sort)
        found = list_sessions(tx, wanted, None, after=start, limit=LIMIT)
        verdicts_before(tx, [row.session.id for row in found], datetime.fromisoformat(since))
        return found

    require_no_growth(sizes, read)


@pytest.mark.parametrize("filters", SEARCHES, ids=str)
def test_a_page_of_prospects(sizes, filters):
    wanted = ProspectFilter.model_validate(filters)

    def read(tx, _, after):
        return list_prospects(tx, wanted, after=after and after.id, limit=LIMIT)

    require_no_growth(sizes, read)


@pytest.mark.parametrize("types", TYPES, ids=str)
def test_a_page_of_the_feed(sizes, types):
    require_no_growth(sizes, lambda tx, *_: read_after(tx, BEGINNING, LIMIT - 1, types).events)
    require_no_growth(sizes, lambda tx, *_: read_after(tx, newest_cursor(tx), LIMIT, types).events)
    require_no_growth(sizes, lambda tx, *_: read_latest(tx, LIMIT - 1, types))
