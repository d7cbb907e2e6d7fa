"""The guide to authoring, run as it stands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ADMIN_KEY, ROOT, needs, serving, settings_for

pytestmark = pytest.mark.one_database

BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def service(new_database):
    """A service of its own: a set that is meant for somebody would be in other tests' way."""
    with serving(settings_for(new_database())) as running:
        yield running


def run(block, service, folder, session):
    """What the commands of a block print, as JSON where it is."""
    script = re.sub(r"^SESSION=.*$", "", block, flags=re.MULTILINE)
    script = script.replace("http://127.0.0.1:8000", service.url).replace("docs/", f"{ROOT}/docs/")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PROSPECT_FIT_DATABASE_URL": service.settings.database_url.get_secret_value(),
        "KEY": ADMIN_KEY,
        "SESSION": session,
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return parsed(done.stdout)


def parsed(text):
    """One JSON value after another; any other text as it is."""
    if not text.startswith(("{", "[")):
        return text.splitlines()
    values, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:]
    return values


def test_every_command_of_the_guide_works_in_its_order(service, tmp_path):
    needs("curl")
    told, session = [], ""
    for block in BLOCK.findall((ROOT / "docs" / "authoring.md").read_text("utf-8")):
        told.append(run(block, service, tmp_path, session))
        session = next((one["session_id"] for one in told[-1] if "session_id" in one), session)
    files, [flawed], [draft], [shown], impact, [published], [qualified], second, [moved], *last = told
    others, folder = last
    assert "staffing@1 published." in files
    assert (flawed["publishable"], [f["pointer"] for f in flawed["flaws"]]) == (
        False, ["/change/budget/must_reach"],
    )  # fmt: skip
    assert flawed["flaws"][0]["detail"] == "must be from 2 to 5"
    assert (draft["publishable"], draft["revision"]) == (True, 2)
    assert {one["question"] for one in shown["difference"]["questions"]} == {"budget", "timeline"}
    assert impact[-1] == {"kind": "summary", "sessions": 0, "changed": 0, "turns": []}
    assert (published["key"], published["version"], published["ancestry"]) == ("our-bant", 1, ["bant@1"])
    assert (qualified["question_set"], qualified["chosen_by"]) == ("staffing@1", "for")
    assert second[1]["ancestry"] == ["staffing@1", "qualifying-a-sale@1"]
    assert (moved["question_set"], [one["question"] for one in moved["dropped"]]) == (
        "staffing@2",
        ["trigger"],
    )
    assert [one for one in others if str(one).startswith("Moved")] == [
        "Moved 0 sessions to staffing@2. 0 answers to questions that it does not have were dropped."
    ]
    assert "our-bant@1 is already published." in folder
    assert "staffing@2 is already published." in folder
    assert folder[-1].startswith("~ ")
