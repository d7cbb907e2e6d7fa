"""Values that a system sends again: they are no news, and undo nothing."""

from functools import partial

from app.prospects.queries import find_link
from app.prospects.received import Part, load, remember_written
from app.prospects.schemas import Link
from tests.api.calls import ok, upsert


def test_what_a_record_update_wrote_counts_as_received(client, database, link):
    ok(upsert(client, link), 201)
    its_link, part = Link(**link), Part(deal="north", question_set="bant")
    written = {"budget": 5, "decision_reason": "They called us, and asked for a date."}
    database.write_sync(
        partial(remember_written, link=its_link, part=part, values={**written, "indication": "fit"})
    )
    database.write_sync(partial(remember_written, link=its_link, part=part, values={"indication": None}))

    def received(tx):
        found = find_link(tx, its_link)
        return load(tx, (its_link.source, found.match_key), "north").part(part)

    known = database.read_sync(received)
    assert all(known.repeats(name, value) for name, value in written.items())
    assert not known.repeats("budget", 4)
    assert not known.repeats("indication", "fit")


def test_a_link_that_is_gone_remembers_nothing(database, link):
    gone = Link(**link)
    database.write_sync(partial(remember_written, link=gone, part=Part(), values={"name": "Acme"}))
