"""Which reader opens a file."""

from pathlib import Path

import pytest

from app.files.opening import format_of, open_table
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
