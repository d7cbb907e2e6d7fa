"""Fill a database with sessions in the state that `qualify` leaves them in: python -m bench.fill URL SESSIONS

A few hundred stories are really carried out. Their rows are then copied with other ids, names and times, past
the ORM: 100,000 sessions take less than a minute. The stories are the same in each run.
"""

import random
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Uuid
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from app.db import Database
from app.events.service import assign_positions
from app.main import open_database, prepare_database
from app.prospects.search import terms_of
from app.question_sets.plans import Plans
from app.schemas import searchable
from app.sessions.qualification import qualify
from app.sessions.requests import DecisionIn, OutcomeIn, QualifyRequest
from app.sessions.session_edit import UnitOfWork
from app.sessions.tables import NO_REVISIT
from app.settings import Settings
from bench.server import BENCH_KEY

STORIES = 400
COPIES_PER_BATCH = 25
# More than the events of all stories.
ROOM_FOR_EVENTS = 100 * STORIES
# The copies were created this long apart, one story after the other, and the last of them today.
SPACING = timedelta(seconds=30)
ASSESSORS = ("", "", "", "", "ada", "grace")
FIRST_REVISIT = date(2027, 1, 1)
SETS = ("bant", "champ", "meddpicc", "meddpicc", "firmographic-fit")
FIRST_WORDS = ("Harbour", "Northern", "Müller", "Quick", "Blue", "Crédit", "Old Town", "United", "Falcon")
SECOND_WORDS = ("Works", "Logistics", "Foods", "Partners", "Software", "Freight", "Clinics", "Energy")
# The tables with rows of a story, in an order that satisfies their foreign keys.
COPIED = (
    *("prospect", "prospect_term", "prospect_link", "received_values", "session", "session_revision"),
    *("answer", "decision", "outcome", "frozen_verdict", "event"),
)
# Times that scoring compares with the time of a request keep their value.
KEPT_TIMES = {"valid_until", "next_expiry_at"}
TABLES = SQLModel.metadata.tables
Row = Sequence[Any]


def fill(
    url: str,
    sessions: int,
    stories: int = STORIES,
    tell: Callable[[Database, int], None] | None = None,
    make_copy: "type[Copy] | None" = None,
) -> None:
    """Fill a new database with about this many sessions, one for each of as many prospects.

    `tell` carries out the stories, and `make_copy` says what distinguishes their copies.
    """
    settings = Settings(database_url=url, admin_key=BENCH_KEY)
    database = open_database(settings)
    prepare_database(database, settings)
    (tell or tell_stories)(database, stories)
    database.engine.dispose()
    store = SQLiteStore(url) if url.startswith("sqlite") else PostgreSQLStore(url)
    with closing(store):
        templates = {name: list(store.rows(name)) for name in COPIED}
        copies = max(0, sessions // stories - 1)
        for first in range(0, copies, COPIES_PER_BATCH):
            rows: dict[str, list[Row]] = defaultdict(list)
            for number in range(first, min(first + COPIES_PER_BATCH, copies)):
                copy = (make_copy or Copy)(number, (copies - number) * stories * SPACING)
                for name, template in templates.items():
                    rows[name] += copy.rows(name, template, store.text_of)
            for name in COPIED:
                store.insert(name, rows[name])
        store.finish()


def tell_stories(database: Database, stories: int) -> None:
    """Qualify as many prospects: with few or many answers, decisions and outcomes, and in two sources.

    Every third was rated the other way round before, so that its indication may have changed.
    """
    chance = random.Random(20)
    plans = Plans(database, "bant")
    for number in range(stories):
        request = story(chance, plans, database, number)

        actor = chance.choice(("ada", "grace", None))

        def carry_out(tx: Any, request: QualifyRequest, actor: str | None = actor) -> None:
            qualify(UnitOfWork(tx, plans, "bench", actor), request)

        if request.ratings and number % 3 == 0:
            first = {question: 6 - rating for question, rating in request.ratings.items()}
            began = request.model_copy(update={"ratings": first, "decision": None, "outcome": None})
            database.write_sync(partial(carry_out, request=began))
        database.write_sync(partial(carry_out, request=request))
    while database.write_sync(assign_positions):
        pass


def story(chance: random.Random, plans: Plans, database: Database, number: int) -> QualifyRequest:
    """Return a random request of one of SETS."""
    set_name = chance.choice(SETS)
    questions = list(database.read_sync(lambda tx: plans.find_to_open(tx, set_name)).questions)
    worst = chance.choice((1, 1, 3, 4))
    answered = chance.sample(questions, chance.randint(1, len(questions)))
    decision = chance.choice((None, None, "pursue", "nurture", "disqualify"))
    outcome = chance.choice((None, None, "won", "lost", "no_decision"))
    revisit_on = FIRST_REVISIT + timedelta(days=chance.randint(0, 300))
    return QualifyRequest(
        source="crm.rare" if number % 50 == 0 else "crm.accounts",
        external_id=f"A{number}",
        name=f"{chance.choice(FIRST_WORDS)} {chance.choice(SECOND_WORDS)}",
        attributes={"industry": chance.choice(("retail", "logistics", "saas"))},
        question_set=set_name,
        deal=f"D{number}" if chance.random() < 0.3 else None,
        assessor=chance.choice(ASSESSORS) or None,
        ratings={question: chance.randint(worst, 5) for question in answered},
        decision=DecisionIn(decision=decision, actor="ada", revisit_on=revisit_on) if decision else None,
        outcome=OutcomeIn(outcome=outcome, amount=1000.0, currency="EUR") if outcome else None,
    )


class Copy:
    """One copy of all stories: the same ids become the same new ids in each table."""

    def __init__(self, number: int, earlier: timedelta) -> None:
        self._number = number
        self._earlier = earlier
        self._base = datetime.now(UTC) - earlier
        self._ids: dict[UUID, UUID] = {}
        self._chance = random.Random(number)
        self._terms: list[Row] = []

    def rows(self, name: str, template: Sequence[Row], text_of: Callable[[Any], Any]) -> Iterator[Row]:
        """Yield the rows of a table with what distinguishes the copy."""
        if name == "prospect_term":
            yield from self._terms
            return
        columns = list(TABLES[name].columns)
        changes = [self._change_of(column) for column in columns]
        for row in template:
            changed = [
                value if value is None or change is None else text_of(change(value))
                for value, change in zip(row, changes, strict=True)
            ]
            places = {column.name: place for place, column in enumerate(columns)}
            if name == "prospect":
                self._rename(places, changed)
            if name == "session":
                self._vary(places, changed, text_of)
            yield changed

    def _change_of(self, column: Any) -> Callable[[Any], Any] | None:
        if isinstance(column.type, Uuid):
            return self._new_id
        if column.name in ("external_id", "match_key", "deal"):
            return lambda value: f"{value}-{self._number}" if value else value
        if column.name in ("seq", "position"):
            return lambda value: int(value) + (self._number + 1) * ROOM_FOR_EVENTS
        is_time = column.name.endswith("_at") or column.name == "at"
        if is_time and column.name not in KEPT_TIMES:
            return lambda value: datetime.fromisoformat(str(value)) - self._earlier
        return None

    def _new_id(self, value: Any) -> UUID:
        old = UUID(str(value))
        if old not in self._ids:
            self._base += SPACING / 20
            self._ids[old] = uuid7(nanoseconds=int(self._base.timestamp() * 1e9))
        return self._ids[old]

    def _rename(self, places: Mapping[str, int], row: list[Any]) -> None:
        words = (self._chance.choice(FIRST_WORDS), self._chance.choice(SECOND_WORDS))
        name = f"{' '.join(words)} {self._chance.randrange(10**6)}"
        row[places["name"]], row[places["searchable"]] = name, searchable(name)
        self._terms += [[row[places["id"]], term] for term in terms_of(name)]

    def _vary(self, places: Mapping[str, int], row: list[Any], text_of: Callable[[Any], Any]) -> None:
        """Vary what lists sort by: otherwise all copies of a session would follow each other."""
        if row[places["lowest"]] is not None:
            lowest = self._chance.uniform(0, 100)
            row[places["lowest"]], row[places["descending_lowest"]] = text_of(lowest), text_of(-lowest)
        row[places["assessor"]] = self._chance.choice(ASSESSORS)
        if str(row[places["revisit_on"]]) != str(NO_REVISIT):
            row[places["revisit_on"]] = str(FIRST_REVISIT + timedelta(days=self._chance.randint(0, 300)))


class SQLiteStore:
    """The rows of an SQLite file as its driver returns them."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(make_url(url).database)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA foreign_keys = OFF")
        self._connection.execute("PRAGMA cache_size = -500000")

    def rows(self, name: str) -> Iterator[Row]:
        yield from self._connection.execute(f"SELECT {_columns(name)} FROM {name}")

    def text_of(self, value: Any) -> Any:
        """Return a new value as SQLAlchemy stores it."""
        if isinstance(value, UUID):
            return value.hex
        return value.isoformat(" ", "microseconds") if isinstance(value, datetime) else value

    def insert(self, name: str, rows: Sequence[Row]) -> None:
        places = ", ".join("?" * len(TABLES[name].columns))
        with self._connection:
            self._connection.executemany(f"INSERT INTO {name} ({_columns(name)}) VALUES ({places})", rows)

    def finish(self) -> None:
        with self._connection:
            self._connection.execute(SET_LAST_POSITION)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()


class PostgreSQLStore:
    """The rows of a PostgreSQL database as the texts of COPY."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def rows(self, name: str) -> Iterator[Row]:
        with self._connection.cursor().copy(f"COPY {name} ({_columns(name)}) TO STDOUT") as copy:
            text = b"".join(bytes(data) for data in copy).decode()
        for line in text.splitlines():
            yield [None if field == r"\N" else field for field in line.split("\t")]

    def text_of(self, value: Any) -> Any:
        """Return a new value as COPY takes it."""
        return str(value)

    def insert(self, name: str, rows: Sequence[Row]) -> None:
        with self._connection.cursor().copy(f"COPY {name} ({_columns(name)}) FROM STDIN") as copy:
            copy.write("".join("\t".join(r"\N" if v is None else v for v in row) + "\n" for row in rows))

    def finish(self) -> None:
        self._connection.execute(SET_LAST_POSITION)
        self._connection.execute(SET_LAST_SEQ)
        self._connection.execute("VACUUM ANALYZE")

    def close(self) -> None:
        self._connection.close()


SET_LAST_SEQ = "SELECT setval(pg_get_serial_sequence('event', 'seq'), (SELECT max(seq) FROM event))"
SET_LAST_POSITION = "UPDATE event_last_position SET position = (SELECT max(position) FROM event)"


def _columns(name: str) -> str:
    return ", ".join(column.name for column in TABLES[name].columns)


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]))
