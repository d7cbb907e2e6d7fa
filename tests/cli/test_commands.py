"""The command line, as a person runs it."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import typer
from rich.markup import escape

from app.cli import console, terminal
from tests.cli.conftest import Run
from tests.cli.started import ENVIRONMENT, Started
from tests.conftest import DATABASE, ROOT
from tests.edge.disk import read_only_view

A_SET = """\
key: ours
title: Ours
combine: weighted
dimensions: [{key: all, title: All}]
thresholds: {fit_at: 60, no_fit_below: 40}
attributes: {region: text}
steps:
  - key: only
    title: Only
    questions:
      - {key: need, text: What do they need?, dimension: all}
      - {key: money, text: Can they pay?, dimension: all}
"""


def test_a_key_is_shown_once_listed_without_itself_and_revoked(run: Run) -> None:
    secret = run("keys", "create", "salesforce", "--scope", "read").stdout.strip()
    assert re.fullmatch(r"pfk_[0-9A-Za-z]{38}", secret)
    listed = run("keys", "list").stdout
    assert "salesforce" in listed
    assert secret not in listed
    key_id = re.search(r"[0-9a-f-]{36}", listed)
    assert key_id
    assert run("keys", "revoke", key_id[0]).stdout == "Revoked salesforce.\n"


def test_a_key_has_a_person_and_a_last_day_and_is_rotated(run: Run) -> None:
    run("keys", "create", "notebook", "--person", "ana@example.com", "--expires", "2090-01-31")
    listed = run("keys", "list").stdout
    assert "ana@example.com" in listed
    assert "2090-02-01 00:00" in listed
    key_id = next(line for line in listed.splitlines() if "notebook" in line).split()[0]
    secret = run("keys", "rotate", key_id, "--overlap", "2d").stdout.strip()
    assert re.fullmatch(r"pfk_[0-9A-Za-z]{38}", secret)
    old, new = [line for line in run("keys", "list").stdout.splitlines() if "notebook" in line]
    assert new.split()[0] in old
    assert "2090-02-01 00:00" in new
    assert "2090-02-01 00:00" not in old


def test_the_rule_of_a_source_is_set_and_listed_unless_ids_collide(run: Run, tmp_path: Path) -> None:
    told = run("sources", "set", "salesforce.account", "salesforce")
    assert (told.returncode, told.stdout) == (0, "salesforce.account: salesforce.\n")
    assert run("sources", "list").stdout.splitlines()[1].split() == ["salesforce.account", "salesforce"]
    (tmp_path / "two.csv").write_text("external_id,name\nAcme,A\nACME,B\n", "utf-8")
    assert run("import", "two.csv", "--source", "crm").returncode == 0
    refused = run("sources", "set", "crm", "ignore_case")
    assert (refused.returncode, refused.stdout) == (1, "")
    both = "'ACME' of prospect [0-9a-f-]{36} and 'Acme' of prospect [0-9a-f-]{36}"
    assert re.fullmatch(f"id_rule: {both} would be the same id\n", refused.stderr)
    assert "crm" not in run("sources", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("create", "late", "--expires", "2020-01-31"),
            "expires_on: this day is in the past: send a later one\n",
        ),
        (("create", "odd", "--expires", "soon"), "expires_on: send a date as text: YYYY-MM-DD\n"),
        (
            ("rotate", "01890000-0000-7000-8000-000000000000", "--overlap", "soon"),
            "--overlap soon: write a number of hours or days, such as 24h or 7d.\n",
        ),
    ],
)
def test_a_key_command_that_cannot_be_carried_out_says_why(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    refused = run("keys", *arguments)
    assert (refused.returncode, refused.stderr) == (1, message)


def test_a_key_cannot_have_a_name_with_control_characters(run: Run) -> None:
    refused = run("keys", "create", "sales\x1b[31mforce")
    assert (
        refused.returncode,
        refused.stderr.startswith("name: send one line that is not blank, without control"),
    ) == (
        1,
        True,
    )


def test_a_read_only_disk_is_reported_once_and_with_the_file(
    run: Run, started: Started, tmp_path: Path
) -> None:
    closed = (
        "The database file cannot be opened: it does not exist, or its folder is read-only. "
        "(OperationalError: unable to open database file)\n"
    )
    in_use = "The database file, its folder or its file system is read-only.\n"
    no_key_file = f"{tmp_path}/view/prospect_fit.db.key.new: Read-only file system.\n"

    def refused(*command: str) -> str:
        url = f"sqlite:///{tmp_path}/view/prospect_fit.db"
        done = started.run(command, tmp_path, PROSPECT_FIT_DATABASE_URL=url)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr

    assert run("keys", "list").returncode == 0
    with read_only_view(tmp_path / "data", tmp_path / "view"):
        assert refused("keys", "create", "ours") == closed
        with closing(sqlite3.connect(tmp_path / DATABASE)) as user:
            user.execute("SELECT * FROM installation").fetchall()
            assert refused("keys", "create", "ours") == in_use
            assert refused("secrets", "rotate") == no_key_file


EVIL = {"\x1b[31m": r"\x1b[31m", "\r": r"\x0d", "\x07": r"\x07", "\x7f": r"\u007f", "\x9b": r"\u009b"}
EVIL |= {"\u2028": r"\u2028", "\u202e": r"\u202e", "\u2066": r"\u2066"}


@pytest.mark.parametrize(("sent", "shown"), EVIL.items(), ids=EVIL.values())
def test_what_is_printed_has_its_control_characters_escaped(
    capsys: pytest.CaptureFixture[str], sent: str, shown: str
) -> None:
    """As a line, as an error, and in the heading and the cells of a table, with and without markup."""
    text = f"a{sent}b"
    console.print_text(f"{text}\nnext")
    terminal.err.print(text)
    rows = terminal.table(text, "other")
    rows.add_row(text, escape(text))
    terminal.out.print(rows)
    with pytest.raises(typer.Exit):
        console.fail(text)
    printed = capsys.readouterr()
    expected = f"a{shown}b"
    assert printed.out.splitlines()[:2] == [expected, "next"]
    assert [line.split() for line in printed.out.splitlines()[2:]] == [[expected, "other"], [expected] * 2]
    assert printed.err.splitlines() == [expected] * 2


def test_stored_texts_are_escaped_where_commands_print_them(run: Run, tmp_path: Path) -> None:
    """On the way to a pipe, JSON keeps its content and YAML its bytes."""
    evil = 'title: "Ours \\e[31m\\x9b\\u202e"'
    (tmp_path / "ours.yaml").write_text(A_SET.replace("title: Ours", evil))
    assert run("question-sets", "load", "ours.yaml").returncode == 0
    assert r"Ours \x1b[31m\u009b\u202e" in run("question-sets", "list").stdout
    exported = run("question-sets", "export", "ours").stdout
    (tmp_path / "again.yaml").write_text(exported)
    assert run("question-sets", "load", "again.yaml").stdout == "ours@1 is already published.\n"
    (tmp_path / "a.json").write_text(json.dumps({"name": "x\x1b[2J\x9by", "question_set": "ours"}))
    assert r"x\x1b[2J\u009by" in run("score", "a.json").stdout


def test_no_command_prints_but_through_the_console() -> None:
    others = re.compile(r"\bConsole\(|typer\.(echo|secho)|(?<![.\w])print\(|sys\.std(out|err)\.write")
    folder = ROOT / "app" / "cli"
    found = [path.name for path in folder.rglob("*.py") if others.search(path.read_text("utf-8"))]
    assert found == ["console.py"]


def test_a_command_ends_without_a_message_when_nobody_reads_its_output(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    program = Path(sys.executable).parent / "prospect-fit"
    done = subprocess.run(
        [program, "openapi"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_set_is_checked_published_once_and_exported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(A_SET)
    assert run("question-sets", "lint", "ours.yaml").stdout == "ours: 2 questions, no errors.\n"
    assert run("question-sets", "load", "ours.yaml").stdout == "ours@1 published.\n"
    assert run("question-sets", "load", "ours.yaml").stdout == "ours@1 is already published.\n"
    (tmp_path / "again.yaml").write_text(run("question-sets", "export", "ours").stdout)
    assert run("question-sets", "load", "again.yaml").stdout == "ours@1 is already published.\n"
    (tmp_path / "ours.yaml").write_text(A_SET.replace("pay", "spend"))
    assert run("question-sets", "load", "ours.yaml").stdout == "ours@2 published.\n"


def test_every_fault_of_a_file_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        A_SET.replace("dimension: all}", "dimension: some}").replace("title: Ours\n", "title: no\n")
    )
    done = run("question-sets", "load", "bad.yaml")
    assert done.returncode == 1
    assert [line.split(": ", 1)[0] for line in done.stderr.splitlines()] == [
        "bad.yaml:11",
        "bad.yaml:12",
    ]
    (tmp_path / "twice.yaml").write_text("key: a\nkey: b\n")
    assert run("question-sets", "lint", "twice.yaml").stderr.startswith("twice.yaml:2: ")


def test_the_faults_of_several_files_are_sorted_by_file_and_line(run: Run, tmp_path: Path) -> None:
    broken = (
        A_SET.replace("title: Ours\n", "").replace("combine: weighted", "combine: sideways") + "title: 5\n"
    )
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(broken.replace("key: ours", f"key: {name[0]}"))
    told = run("question-sets", "lint", "b.yaml", "a.yaml").stderr.splitlines()
    assert [line.split(": ")[0] for line in told] == ["a.yaml:2", "a.yaml:12", "b.yaml:2", "b.yaml:12"]


def test_every_version_is_listed_with_what_it_extends(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bant@7.yaml").write_text("key: bant\nextends: bant@1\ntitle: Ours\nomit: [authority]\n")
    assert run("question-sets", "load", "bant@7.yaml").returncode == 0
    with closing(sqlite3.connect(tmp_path / "data/prospect_fit.db", isolation_level=None)) as database:
        database.execute("UPDATE question_set_version SET status = 'retired' WHERE key || version = 'bant1'")
    heads, *lines = run("question-sets", "list").stdout.splitlines()
    assert heads.split() == ["name", "status", "title", "extends"]
    assert [line.split() for line in lines[:3]] == [
        ["bant@7", "published", "Ours", "bant@1"],
        ["bant@1", "retired", "BANT"],
        ["champ@1", "published", "CHAMP"],
    ]


def test_a_failure_is_told_without_advice_for_callers_of_the_api(run: Run) -> None:
    unknown = run("keys", "revoke", "01890000-0000-7000-8000-000000000000")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no API key with that id.\n")


def test_the_doctor_says_what_is_missing(run_without_database: Run) -> None:
    run = run_without_database
    sick = run("doctor")
    assert sick.returncode == 1
    assert "run 'prospect-fit migrate'" in " ".join(sick.stdout.split())
    run("migrate")
    run("keys", "create", "anyone")
    run("demo")
    well = run("doctor")
    assert (well.returncode, "no " in well.stdout) == (0, False), well.stdout


def test_a_broken_built_in_set_stops_the_start_with_file_line_and_reason(run: Run, tmp_path: Path) -> None:
    house = tmp_path / "house"
    for name in ("app", "migrations"):
        shutil.copytree(ROOT / name, house / name)
    shutil.copy(ROOT / "pyproject.toml", house)
    broken = house / "app/question_sets/builtin/bant.yaml"
    lines = broken.read_text("utf-8").splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "must_reach" in line)
    lines[number - 1] = lines[number - 1].replace("must_reach: 2", "must_reach: 9")
    broken.write_text("\n".join(lines), "utf-8")
    done = run("serve", "--port", "0", source=house)
    assert done.returncode == 1
    assert f"bant.yaml:{number}: " in done.stderr
    assert "must be from 2 to 5" in done.stderr


def test_a_wrong_setting_is_named_with_the_remedy(run: Run) -> None:
    done = run("serve", "--database-url", "mysql://x")
    assert done.returncode == 1
    assert "database_url" in done.stderr
    assert "sqlite:///FILE or postgresql://" in done.stderr


def test_two_files_of_one_set_are_a_fault_for_each_load_would_publish_both(run: Run, tmp_path: Path) -> None:
    for name, title in (("one.yaml", "One"), ("two.yaml", "Two")):
        (tmp_path / name).write_text(A_SET.replace("title: Ours", f"title: {title}"))
    for command in ("lint", "load"):
        done = run("question-sets", command, "one.yaml", "two.yaml")
        told = "two.yaml:1: /key: one.yaml contains the same question set and version\n"
        assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize("name", ["ours@0.yaml", "ours@01.yaml", "Ours@1.yaml", "ours@99999999999.yaml"])
def test_a_file_that_is_called_like_no_version_is_a_fault(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(A_SET)
    done = run("question-sets", "lint", name)
    assert (done.returncode, done.stderr.startswith(f"{name}:1: a file name with @")) == (1, True)


def test_an_empty_file_is_told_and_no_failure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    for command in ("lint", "load"):
        done = run("question-sets", command, "empty.yaml")
        assert (done.returncode, done.stderr) == (1, "empty.yaml:1: /: send an object with fields\n")
