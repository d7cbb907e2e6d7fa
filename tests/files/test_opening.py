"""Which reader opens a file."""

from pathlib import Path

import pytest

from app.files.columns import Column
from app.files.formats import FORMATS as FORMATS_WRITTEN
from app.files.opening import format_of, open_table
from app.files.writer import write_table
from app.problems import MALFORMED_FILE, Problem

FORMATS = {"a.csv": "csv", "A.TSV": "csv", "a.txt": "csv", "a.xlsm": "xlsx", "a.jsonl": "ndjson"}


@pytest.mark.parametrize(("name", "format_"), FORMATS.items())
def test_the_name_says_the_format(name, format_):
    assert format_of(Path(name)) == format_


REFUSED = {
    "a.xls": "save it as XLSX or CSV",
    "a.ods": "save it as XLSX or CSV",
    "a.pdf": "must end in .csv, .tsv",
    "leads": "must end in .csv, .tsv",
}


@pytest.mark.parametrize(("name", "said"), REFUSED.items())
def test_another_name_is_refused_with_its_remedy(name, said):
    with pytest.raises(Problem) as raised:
        format_of(Path(name))
    assert (raised.value.kind, said in raised.value.detail) == (MALFORMED_FILE, True)


def test_a_format_can_be_given_whatever_the_name_is(tmp_path):
    (tmp_path / "spooled").write_text("id\n1\n")
    with open_table(tmp_path / "spooled", "csv") as table:
        assert (table.format, table.headings) == ("csv", ("id",))


class Stopped(Exception):
    """Somebody asked to stop."""


@pytest.mark.parametrize("format_", FORMATS_WRITTEN)
@pytest.mark.parametrize("checks", [1, 2, 3])
def test_reading_can_be_stopped_at_any_time(tmp_path, format_, checks):
    """Also while a file is opened, which can take as long as reading it."""
    file = tmp_path / f"a.{format_}"
    write_table(file, format_, [Column("id"), Column("name")], ((f"a{n}", "x" * 300) for n in range(9000)))
    left = iter(range(checks - 1))

    def check() -> None:
        if next(left, None) is None:
            raise Stopped

    with pytest.raises(Stopped), open_table(file, check=check) as table:
        for _ in table.rows():
            pass


@pytest.mark.parametrize("format_", FORMATS_WRITTEN)
def test_the_share_that_was_read_grows_to_the_whole_file(tmp_path, format_):
    file = tmp_path / f"a.{format_}"
    write_table(file, format_, [Column("id")], ((f"a{n}" * 50,) for n in range(9000)))
    with open_table(file) as table:
        for _ in range(2):
            shares = [table.share_read for _ in table.rows()]
            assert shares == sorted(shares)
            assert (shares[0] < 0.2, shares[-1] > 0.8) == (True, True)
            assert len(set(shares)) > 5
