"""`import FILE`: into both databases, mended and imported again, stopped in every way, with a bar."""

import json
import os
import re
import shutil
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import main
from app.db import Database, open_database
from app.files.columns import Column
from app.files.headings import REJECT_COLUMNS
from app.files.opening import open_table
from app.files.writer import write_table
from app.prospects.queries import list_prospects, prospects_out
from app.prospects.schemas import ProspectFilter
from tests.cli.started import Started
from tests.cli.terminal import on_a_terminal
from tests.conftest import ROOT, NewDatabase, settings_for

# It sends itself a signal as soon as its second block is committed.
SIGNALLED = """
import os, signal
from app.db import Database

write, blocks = Database.write, []

async def signalled(self, work):
    result = await write(self, work)
    blocks.append(work)
    if len(blocks) == 2:
        os.kill(os.getpid(), signal.{})
    return result

Database.write = signalled
"""
COMMAND = [sys.executable, "-c", "from app.cli.main import main; main()"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def url(new_database: NewDatabase) -> str:
    """A database with its tables."""
    return new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The database that is imported into."""
    database = open_database(settings_for(url))
    yield database
    database.close()


@pytest.fixture
def environment(url: str) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PROSPECT_FIT_DATABASE_URL": url}


@pytest.fixture
def imported(started: Started, url: str, tmp_path: Path) -> Run:
    """Runs `prospect-fit import` to its end, in the same folder: its exit code, and what it says."""

    def run(*arguments: str, patch: str = "") -> tuple[int, str, str]:
        done = started.run(["import", *arguments], tmp_path, patch=patch, PROSPECT_FIT_DATABASE_URL=url)
        return done.returncode, done.stdout, done.stderr

    return run


def stored(database: Database) -> dict[str, tuple[str | None, dict]]:
    """Name and attributes of every prospect, by source and external id."""
    found = database.read_sync(
        lambda tx: prospects_out(tx, list_prospects(tx, ProspectFilter(), after=None, limit=100_000))
    )
    return {f"{p.links[0].source}:{p.links[0].external_id}": (p.name, p.attributes) for p in found}


def write(file: Path, count: int) -> dict[str, tuple[str | None, dict]]:
    """A file of many accounts; what it makes."""
    rows = [{"external_id": str(n), "name": f"N{n}", "attributes": {"n": n}} for n in range(count)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {f"crm:{row['external_id']}": (row["name"], row["attributes"]) for row in rows}


def test_a_table_is_imported_its_rejects_are_mended_and_imported_too(
    imported: Run, tmp_path: Path, database: Database
) -> None:
    rows = ["Account ID;Name;Annual Revenue (EUR);note", 'a;Acme;1000;"two\r\nlines"', "b;Beta", "c;;1200;;x"]
    (tmp_path / "a.csv").write_bytes(("\ufeff" + "\r\n".join([*rows, "d;Müller;1;"])).encode())
    options = ("--source", "crm", "--id", "Account ID", "--map", "revenue=Annual Revenue (EUR)")
    code, out, _ = imported("a.csv", *options, "--rejects", "r.csv")
    assert (code, out.splitlines()) == (
        0,
        [
            "Imported 3 rows of a.csv: 3 created, 0 changed, 0 unchanged.",
            "1 row could not be imported. See r.csv.",
            "  row 5: The row cannot be read: it has 5 cells for 4 columns.",
        ],
    )
    rejects = (tmp_path / "r.csv").read_bytes().decode("utf-8-sig")
    assert rejects.splitlines() == [
        "Account ID,Name,Annual Revenue (EUR),note,rejected_line,rejected_because,rejected_text",
        ",,,,5,row 5: The row cannot be read: it has 5 cells for 4 columns.,c;;1200;;x",
    ]
    (tmp_path / "m.csv").write_bytes(rejects.replace(",,,,5,", "c,,1200,,5,").encode())
    assert imported("m.csv", *options)[:2] == (
        0,
        "Imported 1 row of m.csv: 1 created, 0 changed, 0 unchanged.\n",
    )
    assert stored(database) == {
        "crm:a": ("Acme", {"revenue": "1000", "note": "two\r\nlines"}),
        "crm:b": ("Beta", {}),
        "crm:c": (None, {"revenue": "1200"}),
        "crm:d": ("Müller", {"revenue": "1"}),
    }


def test_a_percentage_is_the_number_before_its_sign(
    imported: Run, tmp_path: Path, database: Database
) -> None:
    """As on the pages and in an import over HTTP. The built-in sets declare `growth` as a number."""
    (tmp_path / "p.csv").write_text("id,growth\na,5%\nb,12.5 %\nc,-3%\n")
    code, _, _ = imported("p.csv", "--source", "crm")
    assert code == 0
    assert stored(database) == {
        "crm:a": (None, {"growth": 5}),
        "crm:b": (None, {"growth": 12.5}),
        "crm:c": (None, {"growth": -3}),
    }


def test_a_cell_that_cannot_be_read_is_named_and_its_row_is_in_the_rejects(
    imported: Run, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "a.csv").write_text(
        "id;name;Employees\na;Acme;1.200\nb;Beta;many\nc;Gamma;n/a\nd;Delta;3,5\n"
    )
    options = ("--source", "crm", "--set", "firmographic-fit")
    code, out, _ = imported("a.csv", *options, "--rejects", "r.xlsx")
    assert (code, out.splitlines()) == (
        0,
        [
            "Imported 4 rows of a.csv: 4 created, 0 changed, 0 unchanged.",
            "The decimal sign is a comma.",
            "1 cell could not be read and changed nothing:",
            '  row 3, Employees: "many" is not a number',
        ],
    )
    with open_table(tmp_path / "r.xlsx") as rejects:
        assert rejects.headings == ("id", "name", "Employees", *REJECT_COLUMNS)
        reason = 'row 3, Employees: "many" is not a number'
        assert [row.cells for row in rejects.rows()] == [("b", "Beta", "many", "3", reason, None)]
    assert imported("a.csv", *options)[1].startswith("Imported 4 rows of a.csv: 0 created, 0 changed, 4 ")
    assert stored(database) == {
        "crm:a": ("Acme", {"employees": 1200}),
        "crm:b": ("Beta", {}),
        "crm:c": ("Gamma", {}),
        "crm:d": ("Delta", {"employees": 3.5}),
    }


@pytest.mark.one_database
@pytest.mark.parametrize("suffix", ["csv", "ndjson", "xlsx", "parquet"])
def test_a_formula_in_the_rejects_is_stored_unchanged_once_they_are_mended(
    imported: Run, tmp_path: Path, database: Database, suffix: str
) -> None:
    names = ["=1+1", "'=1+1", "+49 40", "-5", "@all", "''=x"]
    rows = [f"a/{place},{name}" for place, name in enumerate(names)]
    (tmp_path / "a.csv").write_text("\n".join(["external_id,name", *rows]) + "\n")
    assert imported("a.csv", "--source", "crm", "--rejects", f"r.{suffix}")[0] == 0
    with open_table(tmp_path / f"r.{suffix}") as rejects:
        (ids, *_), *_ = [row.cells for row in rejects.rows()]
        assert ids == "a/0"
        mended = [(str(row.cells[0]).replace("/", ""), *row.cells[1:]) for row in rejects.rows()]
        write_table(tmp_path / "m.csv", "csv", [*map(Column, rejects.headings)], mended)
    assert imported("m.csv", "--source", "crm")[0] == 0
    assert {key: name for key, (name, _) in stored(database).items()} == {
        f"crm:a{place}": name for place, name in enumerate(names)
    }


def test_one_row_is_counted_in_the_singular_and_rejects_are_offered(imported: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("external_id,name\na,Acme\n,Beta\n")
    code, out, _ = imported("a.csv", "--source", "crm")
    assert (code, out.splitlines()) == (
        1,
        [
            "Imported 1 row of a.csv: 1 created, 0 changed, 0 unchanged.",
            "1 row could not be imported. To save these rows, use --rejects FILE.",
            "  row 3: external_id: it is missing: add it",
        ],
    )


def test_no_rejects_are_begun_for_a_file_that_is_refused_as_a_whole(
    imported: Run, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "r.csv").write_text("those of yesterday")
    (tmp_path / "a.csv").write_text("name\nAcme\n")
    (tmp_path / "same.csv").hardlink_to(tmp_path / "a.csv")
    (tmp_path / "pipe.csv").symlink_to("/dev/null")
    for rejects, said in (
        ("r.csv", "external_id"),
        ("same.csv", "names the input file"),
        ("pipe.csv", "is not a file"),
        ("r.pdf", "unknown format"),
    ):
        code, out, err = imported("a.csv", "--source", "crm", "--rejects", rejects)
        assert (code, out, said in err) == (1, "", True), err
    assert (tmp_path / "r.csv").read_text() == "those of yesterday"
    assert (tmp_path / "a.csv").read_text() == "name\nAcme\n"
    assert stored(database) == {}


def test_a_run_that_continues_keeps_the_rejects(imported: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("external_id,name\na/1,=A\na2,B\na/3,C\n")
    assert imported("a.csv", "--source", "crm", "--rejects", "r.csv")[0] == 0
    first = (tmp_path / "r.csv").read_text("utf-8-sig").splitlines()
    assert imported("a.csv", "--source", "crm", "--rejects", "r.csv", "--after-line", "3")[0] == 0
    assert (tmp_path / "r.csv").read_text("utf-8-sig").splitlines() == [*first, first[-1]]
    assert imported("a.csv", "--source", "crm", "--rejects", "r.csv")[0] == 0
    assert (tmp_path / "r.csv").read_text("utf-8-sig").splitlines() == first


def test_rejected_lines_of_json_are_kept(imported: Run, tmp_path: Path, database: Database) -> None:
    bad = '{"external_id": "b", "name": "B}'
    (tmp_path / "a.ndjson").write_text(
        '{"external_id": "a", "n": 1}\n' + bad + '\n{"external_id": "/", "n": 2}\n'
    )
    assert imported("a.ndjson", "--source", "crm", "--rejects", "r.ndjson")[0] == 0
    unread, read = map(json.loads, (tmp_path / "r.ndjson").read_text().splitlines())
    assert (unread["rejected_line"], unread["rejected_text"], len(unread)) == ("2", bad, 3)
    assert (read["rejected_line"], read["external_id"], read["n"]) == ("3", "/", 2)
    unread["external_id"], read["external_id"] = "b", "c"
    (tmp_path / "m.ndjson").write_text(json.dumps(unread) + "\n" + json.dumps(read) + "\n")
    assert imported("m.ndjson", "--source", "crm")[0] == 0
    assert stored(database) == {"crm:a": (None, {"n": 1}), "crm:b": (None, {}), "crm:c": (None, {"n": 2})}


def test_a_file_that_breaks_off_says_what_was_imported(imported: Run, tmp_path: Path) -> None:
    write_table(tmp_path / "a.xlsx", "xlsx", [Column("id")], ((f"a{n}",) for n in range(3000)))
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"][:-1000]
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    code, out, err = imported("a.xlsx", "--source", "crm")
    count = re.findall(r"^Imported ([\d,]+) rows", out)[0].replace(",", "")
    assert (code, int(count) > 0, "The workbook is broken" in err) == (1, True, True)
    assert err.endswith(f"Continue with --after-line {int(count) + 1}.\n")


GIVE_UP = {
    "no file": (("none.csv",), "There is no file"),
    "an old workbook": (("a.xls",), "save it as XLSX or CSV"),
    "another format": (("a.pdf",), "its name must end in .csv"),
    "a workbook that is none": (("a.xlsx",), "The file is not a workbook"),
    "no such set": (("a.csv", "--source", "crm", "--set", "none"), "no such question set"),
    "an unknown encoding": (("a.csv", "--source", "crm", "--encoding", "none"), "encoding is unknown"),
    "a sheet of a table": (("a.csv", "--source", "crm", "--sheet", "x"), "only a workbook has sheets"),
    "no source": (("a.csv",), "option source"),
    "a bad source": (("a.csv", "--source", "CRM"), "source: use at most 64 lower-case letters"),
    "no such column": (("a.csv", "--source", "crm", "--name", "Title"), "name: no column"),
    "a bad key": (("a.csv", "--source", "crm", "--map", "Size=size"), "Size: map a column to"),
    "no pair": (("a.csv", "--source", "crm", "--map", "size"), "write KEY=COLUMN"),
    "no such name": (("a.ndjson", "--source", "crm", "--id", "x"), "external_id: no column"),
    "itself": (("a.csv", "--source", "crm", "--rejects", "a.csv"), "names the input file"),
}


@pytest.mark.parametrize(("arguments", "said"), GIVE_UP.values(), ids=GIVE_UP)
def test_what_cannot_be_done_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    migrated_file: Path,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROSPECT_FIT_DATABASE_URL", f"sqlite:///{shutil.copy(migrated_file, tmp_path)}")
    for name in ("a.csv", "a.xlsx", "a.xls", "a.pdf"):
        (tmp_path / name).write_text("external_id,size\nx,1\n")
    (tmp_path / "a.ndjson").write_text('{"external_id": "x"}\n')
    done = CliRunner().invoke(main, ["import", *arguments])
    assert (done.exit_code, done.stdout, said in done.stderr) == (1, "", True), done.output
    assert (tmp_path / "a.csv").read_text() == "external_id,size\nx,1\n"


def test_killed_in_the_middle_and_run_again_the_result_is_the_same(
    imported: Run, tmp_path: Path, database: Database
) -> None:
    wanted = write(tmp_path / "a.ndjson", 2000)
    code, _, _ = imported("a.ndjson", "--source", "crm", patch=SIGNALLED.format("SIGKILL"))
    assert code == -signal.SIGKILL
    there = len(stored(database))
    assert 0 < there < 2000
    code, out, _ = imported("a.ndjson", "--source", "crm")
    assert code == 0
    assert (
        out == f"Imported 2,000 rows of a.ndjson: {2000 - there:,} created, 0 changed, {there:,} unchanged.\n"
    )
    assert stored(database) == wanted


def test_interrupted_it_says_where_to_go_on(imported: Run, tmp_path: Path, database: Database) -> None:
    wanted = write(tmp_path / "a.ndjson", 2000)
    code, _, err = imported("a.ndjson", "--source", "crm", patch=SIGNALLED.format("SIGINT"))
    (line,) = re.findall(r"^Stopped\. Continue with --after-line (\d+)\.$", err, re.MULTILINE)
    assert (code, len(stored(database))) == (130, int(line))
    code, out, _ = imported("a.ndjson", "--source", "crm", "--after-line", line)
    assert out.endswith(f": {2000 - int(line):,} created, 0 changed, 0 unchanged.\n")
    assert stored(database) == wanted


def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path, environment: dict[str, str]) -> None:
    write(tmp_path / "a.ndjson", 2000)
    code, shown = on_a_terminal([*COMMAND, "import", "a.ndjson", "--source", "crm"], tmp_path, environment)
    assert (code, "Imported 2,000 rows" in shown) == (0, True)
    done = [int(percent) for percent in re.findall(r"importing.*?(\d+)%", shown)]
    assert done == sorted(done)
    assert len({percent for percent in done if 0 < percent < 100}) >= 1, shown
