"""`verify`: check everything in the database that can be computed again or compared."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import typer
from pydantic import ValidationError
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, and_, exists, func, inspect, text
from sqlmodel import SQLModel, col, select

from app.cli.console import existing_database, print_text
from app.db import Database, Transaction
from app.events.queries import ERASED_EVENT_TABLE, EVENT_TABLE, last_position
from app.migrate import migrate
from app.prospects.schemas import match_key
from app.prospects.sources.queries import list_sources
from app.prospects.tables import ProspectLink
from app.question_sets.plans import Plans
from app.question_sets.queries import list_all
from app.question_sets.service import content_hash
from app.scoring import QuestionSet, verdict_record
from app.sessions.queries import answers_of_many, plan_of
from app.sessions.scores import judge_session, stored_figures, verdict_at
from app.sessions.tables import Session, StoredAnswer
from app.settings import Settings

MAX_FINDINGS = 20
SESSIONS_PER_BATCH = 500
LINKS_PER_BATCH = 5000
Schema = dict[str, set[str]]
Answers = Mapping[str, StoredAnswer]
# A check yields its findings. Its name says what holds if there are none.
Check = tuple[str, Callable[[Transaction], Iterator[str]]]
TRIGGERS = {
    "sqlite": "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, tgrelid::regclass::text FROM pg_trigger "
    "WHERE NOT tgisinternal AND tgenabled <> 'D'",
}
POSTGRESQL_FLAWS = {
    "index {} is not valid": "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
    "constraint {} was never checked": "SELECT conname FROM pg_constraint WHERE NOT convalidated",
    "{} pages had a wrong checksum": "SELECT checksum_failures FROM pg_stat_database "
    "WHERE datname = current_database() AND checksum_failures > 0",
}


def verify() -> None:
    """Check the stored data, and change nothing. Exits with 1 if anything is wrong.

    Computes the hashes of all published question sets and the figures of all open sessions again. The service
    can keep running: the command reads all data as it is at one moment.
    """
    with existing_database() as database:
        plans = Plans(database, Settings().default_question_set)
        checks = _checks(_expected_schema(), plans)
        any_wrong = database.read_sync(partial(_run, checks=checks))
    if any_wrong:
        raise typer.Exit(1)


def _checks(expected: Schema, plans: Plans) -> list[Check]:
    return [
        ("the files of the database are intact", _damage),
        ("all tables, constraints, indexes and triggers are there", partial(_missing, expected=expected)),
        ("every reference leads to an existing row", _orphans),
        ("the match key of every link follows the rule of its source", _wrong_links),
        ("the hash of every published question set matches its content", _changed_sets),
        ("the figures of every open session match its answers", partial(_wrong_sessions, plans=plans)),
        ("the positions of the feed have no gap", _feed_gaps),
    ]


def _run(tx: Transaction, checks: list[Check]) -> bool:
    """Print one line for each check, with its findings below, and return whether there are any findings."""
    if tx.db.get_bind().dialect.name == "postgresql":
        tx.db.execute(text("SET LOCAL statement_timeout = 0"))
    any_wrong = False
    for name, check in checks:
        findings = list(islice(check(tx), MAX_FINDINGS + 1))
        print_text(f"{'wrong' if findings else 'ok'}: {name}")
        for finding in findings[:MAX_FINDINGS]:
            print_text(f"  {finding}")
        if len(findings) > MAX_FINDINGS:
            print_text("  and more")
        any_wrong = any_wrong or bool(findings)
    return any_wrong


def _damage(tx: Transaction) -> Iterator[str]:
    """Yield the damage that SQLite finds in its file. On PostgreSQL, read every row: this checks its page."""
    if tx.db.get_bind().dialect.name == "sqlite":
        found = tx.db.execute(text(f"PRAGMA integrity_check({MAX_FINDINGS})")).scalars()
        yield from (row for row in found if row != "ok")
        return
    for table in SQLModel.metadata.tables.values():
        count = f'SELECT count(hashtext(r::text)) FROM "{table.name}" AS r'  # noqa: S608  # a name of ours
        tx.db.execute(text(count)).one()
    for message, query in POSTGRESQL_FLAWS.items():
        yield from (message.format(found) for found in tx.db.execute(text(query)).scalars())


def _expected_schema() -> Schema:
    """Return the schema that the migrations of this build create."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'new.db'}")
        try:
            migrate(database)
            with database.engine.connect() as connection:
                return _schema(connection)
        finally:
            database.close()


def _schema(connection: Connection) -> Schema:
    """Return the parts of a schema by table, with the same descriptions for SQLite and PostgreSQL."""
    inspector = inspect(connection)
    schema: Schema = {}
    for table in inspector.get_table_names():
        parts = schema.setdefault(table, set())
        parts |= {f"column {column['name']}" for column in inspector.get_columns(table)}
        parts.add(f"primary key {_listed(inspector.get_pk_constraint(table)['constrained_columns'])}")
        parts |= {f"check {check['name']}" for check in inspector.get_check_constraints(table)}
        parts |= {f"unique {_listed(one['column_names'])}" for one in inspector.get_unique_constraints(table)}
        parts |= {
            f"foreign key {_listed(key['constrained_columns'])} to {key['referred_table']}"
            for key in inspector.get_foreign_keys(table)
        }
        parts |= {f"index {index['name']}" for index in inspector.get_indexes(table)}
    for name, table in connection.execute(text(TRIGGERS[connection.dialect.name])):
        schema.setdefault(table, set()).add(f"trigger {name}")
    return schema


def _listed(columns: Any) -> str:
    return ", ".join(map(str, columns))


def _missing(tx: Transaction, expected: Schema) -> Iterator[str]:
    found = _schema(tx.db.connection())
    for table, parts in sorted(expected.items()):
        if table not in found:
            yield f"{table}: the table is missing"
        else:
            yield from (f"{table}: {part} is missing" for part in sorted(parts - found[table]))


def _orphans(tx: Transaction) -> Iterator[str]:
    for table in SQLModel.metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            parent = key.referred_table.alias()
            pairs = [(element.parent, parent.c[element.column.name]) for element in key.elements]
            refers = and_(*(child.is_not(None) for child, _ in pairs))
            has_parent = exists().where(*(child == other for child, other in pairs))
            orphans = select(*table.primary_key).where(refers, ~has_parent).limit(MAX_FINDINGS + 1)
            for row in tx.db.execute(orphans):
                yield f"{table.name} {_listed(row)}: its {key.referred_table.name} does not exist"


def _wrong_links(tx: Transaction) -> Iterator[str]:
    rules = {source.source: source.id_rule for source in list_sources(tx).items}
    columns = select(ProspectLink.source, ProspectLink.external_id, ProspectLink.match_key)
    for source, external_id, stored in tx.db.exec(columns.execution_options(yield_per=LINKS_PER_BATCH)):
        if stored != match_key(rules.get(source, "exact"), external_id):
            yield f"link {source} {external_id}: the match key is another one"


def _changed_sets(tx: Transaction) -> Iterator[str]:
    for version in list_all(tx):
        try:
            computed = content_hash(QuestionSet.model_validate(version.definition))
        except ValidationError:
            yield f"{version.name}: the stored definition cannot be read"
            continue
        if computed != version.content_hash:
            yield f"{version.name}: its hash is {version.content_hash}, but its content has {computed}"


def _wrong_sessions(tx: Transaction, plans: Plans) -> Iterator[str]:
    after: UUID | None = None
    statement = select(Session).where(Session.status == "open").order_by(col(Session.id))
    while True:
        following = statement if after is None else statement.where(col(Session.id) > after)
        sessions = tx.db.exec(following.limit(SESSIONS_PER_BATCH)).all()
        answers = answers_of_many(tx, [session.id for session in sessions])
        for session in sessions:
            if wrong := _wrong_figures(tx, plans, session, answers[session.id]):
                yield f"session {session.id}: {wrong}"
        if len(sessions) < SESSIONS_PER_BATCH:
            return
        after = sessions[-1].id
        tx.db.expunge_all()


def _wrong_figures(tx: Transaction, plans: Plans, session: Session, answers: Answers) -> str:
    """Describe the stored figures of a session that differ from the computed ones; empty if none differ."""
    judged = judge_session(plan_of(tx, plans, session), session, answers)
    wrong = [
        f"{name} is {getattr(session, name)}, but its answers give {value}"
        for name, value in stored_figures(judged, answers).items()
        if getattr(session, name) != value
    ]
    # The verdict is stored as JSON, which has lists but no tuples.
    if verdict_at(tx, session.id, session.revision) != from_json(to_json(verdict_record(judged))):
        wrong.append(f"the verdict of revision {session.revision} differs")
    return "; ".join(wrong)


def _feed_gaps(tx: Transaction) -> Iterator[str]:
    """Yield the gaps between positions, also before the first one and after the last one.

    The position of an erased event is not a gap.
    """
    events = select(EVENT_TABLE.c.position).where(EVENT_TABLE.c.position.is_not(None))
    position = events.union_all(select(ERASED_EVENT_TABLE.c.position)).subquery().c.position
    before = func.lag(position, 1, 0).over(order_by=position).label("before")
    pairs = select(before, position).subquery()
    gaps = select(*pairs.c).where(pairs.c.position != pairs.c.before + 1).order_by(pairs.c.position)
    for gap in tx.db.execute(gaps.limit(MAX_FINDINGS + 1)):
        yield f"the position after {gap.before} is {gap.position}"
    last, newest = last_position(tx), tx.db.scalar(select(func.max(position))) or 0
    if newest != last:
        yield f"the newest event has position {newest}, but the last assigned position is {last}"
