"""How many rows one request may import, and how to go on."""

import pytest

from tests.conftest import serving, settings_for
from tests.inbound.imports.conftest import CSV, NDJSON, lines, stored

ROWS = 12


@pytest.fixture(scope="module")
def client(new_database):
    """Of a service that imports five rows at a time."""
    with serving(settings_for(new_database(), import_rows=5)) as running:
        yield running.client


def ndjson():
    """Row 7 is bad: rows are counted whether they are good or not."""
    return lines(*({"external_id": "/" if n == 7 else f"a{n}"} for n in range(1, ROWS + 1)))


def csv():
    return "external_id\n" + "".join(f"a{n}\n" for n in range(1, ROWS + 1))


@pytest.mark.parametrize(("text", "headers", "heading"), [(ndjson, NDJSON, 0), (csv, CSV, 1)])
def test_a_file_of_twelve_rows_takes_three_requests_of_five(client, send, source, text, headers, heading):
    reached = []
    done = False
    while not done:
        *_, end = send(text(), headers, after_line=reached[-1] if reached else 0)
        reached.append(end["committed_to"])
        done = end["done"]
        if not done:
            assert end["problem"]["type"] == "urn:prospect-fit:problem:too-many-rows"
            assert end["problem"]["status"] == 413
            assert "PROSPECT_FIT_IMPORT_ROWS" in end["problem"]["remedy"]
            assert len(stored(client, source)) == sum(
                n != 7 or heading for n in range(1, 5 * len(reached) + 1)
            )
    assert reached == [5 + heading, 10 + heading, 12 + heading]
    assert len(stored(client, source)) == (12 if heading else 11)


def test_as_many_rows_as_are_allowed_are_no_problem(send):
    *_, end = send(lines(*({"external_id": f"a{n}"} for n in range(5))), NDJSON)
    assert (end["created"], end["done"], end["problem"]) == (5, True, None)
