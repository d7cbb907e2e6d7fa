"""`move --set KEY`: every open session of a set on the version that is named."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.calls import conclude, end_of_feed, events_after, history, ok, qualify, session
from tests.api.conftest import database, publish, small
from tests.api.test_moving import SECOND
from tests.cli.started import Started
from tests.conftest import ENCRYPTION_KEY, Running

__all__ = ["database", "publish", "small"]
Move = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def move(started: Started, service: Running, tmp_path: Path) -> Move:
    """Runs `prospect-fit move` beside the service."""
    settings = {"PROSPECT_FIT_DATABASE_URL": service.settings.database_url.get_secret_value()}
    if not service.is_sqlite:
        settings["PROSPECT_FIT_ENCRYPTION_KEY"] = ENCRYPTION_KEY
    return lambda *arguments: started.run(["move", *arguments], tmp_path, **settings)


def test_all_open_sessions_are_moved_and_a_second_run_moves_none(client, publish, small, link, move) -> None:
    """Version 2 has need and timeline, but neither budget nor goal."""
    ratings = {"budget": 5, "need": 4, "goal": 2}
    opened = [
        qualify(client, link, question_set=small, deal=str(n), ratings=ratings)["session_id"]
        for n in range(30)
    ]
    ok(conclude(client, opened[0], "won"))
    assert publish(SECOND | {"key": small}) == 2
    new = qualify(client, link, question_set=small, ratings={"need": 1})["session_id"]
    cursor = end_of_feed(client)

    done = move("--set", f"{small}@2")
    said = f"Moved 29 sessions to {small}@2. 58 answers to questions that it does not have were dropped.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    told = [session(client, session_id) for session_id in opened]
    assert [one["question_set"] for one in told] == [f"{small}@1"] + 29 * [f"{small}@2"]
    assert [a["question"] for a in told[1]["answers"]] == ["need"]
    last = history(client, opened[1])["revisions"][-1]
    assert (last["change"], last["key_name"]) == ("moved", "prospect-fit move")
    feed = events_after(client, cursor)
    assert {event["session_id"] for event in feed} == set(opened[1:])
    assert {event["silent"] for event in feed} == {True}
    assert session(client, new)["revision"] == 1

    again = move("--set", small)
    said = f"Moved 0 sessions to {small}@2. 0 answers to questions that it does not have were dropped.\n"
    assert (again.returncode, again.stdout) == (0, said)
    assert events_after(client, cursor) == feed


def test_webhooks_get_the_events_with_notify(client, publish, small, link, move) -> None:
    qualify(client, link, question_set=small, ratings={"budget": 5})
    publish(SECOND | {"key": small})
    cursor = end_of_feed(client)
    assert move("--set", small, "--notify").stdout.startswith("Moved 1 session to")
    assert {event["silent"] for event in events_after(client, cursor)} == {False}


@pytest.mark.one_database
def test_a_set_that_is_not_there_is_refused(move) -> None:
    refused = move("--set", "nobodys-set@2")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("question_set: ")
