"""The decision records and their index."""

import re

from tests.conftest import ROOT

DECISIONS = ROOT / "docs" / "decisions"
RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))
ROW = re.compile(r"\| \[(\d+)\]\(([^)]+)\) \| (.+) \|")


def test_the_index_lists_every_record_with_its_number_and_title():
    listed = ROW.findall((DECISIONS / "README.md").read_text("utf-8"))
    titles = [record.read_text("utf-8").partition("\n")[0] for record in RECORDS]
    assert [(name, f"# {number}. {title}") for number, name, title in listed] == [
        (record.name, title) for record, title in zip(RECORDS, titles, strict=True)
    ]
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))
