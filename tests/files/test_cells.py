"""Cells as people write them."""

from typing import NamedTuple

import pytest

from app.files.cells import (
    Cell,
    find_decimal_sign,
    is_empty,
    is_not_applicable,
    read_boolean,
    read_id,
    read_number,
    read_rating,
    read_text,
)

# By text, the number where a point is the decimal sign, and where a comma is.
NUMBERS: dict[str, tuple[float | None, float | None]] = {
    "30,000,000": (30_000_000, None),
    "30.000.000,50": (None, 30_000_000.5),
    "30 000 000": (30_000_000, 30_000_000),
    "1\u00a0200\u202f300": (1_200_300, 1_200_300),
    "1\u202f200": (1200, 1200),
    "1'200'000.25": (1_200_000.25, None),
    "1’200": (1200, 1200),
    "12,34,567": (1_234_567, None),
    "1,200": (1200, 1.2),
    "1.200": (1.2, 1200),
    "4,5": (None, 4.5),
    "0,123": (None, 0.123),
    "1234,567": (None, 1234.567),
    "0.1": (0.1, None),
    ".5": (0.5, None),
    "04": (4, 4),
    " +7 ": (7, 7),
    "\u22125": (-5, -5),
    "-5": (-5, -5),
    "(1 200)": (-1200, -1200),
    "($1,200)": (-1200, -1.2),
    "$(30)": (-30, -30),
    "-$5": (-5, -5),
    "$1.2M": (1_200_000, None),
    "1.2m": (1_200_000, None),
    "4.35k": (4350, None),
    "€ 5k": (5000, 5000),
    "5 k€": (5000, 5000),
    "2bn": (2_000_000_000, 2_000_000_000),
    "EUR 30": (30, 30),
    "30 CHF": (30, 30),
    "US$ 30": (30, 30),
    "12 %": (12, 12),
    "12.5%": (12.5, None),
    "1e2": (100, 100),
    '="1,200"': (1200, 1.2),
    "9007199254740992": (2**53, 2**53),
    "9007199254740993": (None, None),
    "1e400": (None, None),
}
NO_NUMBERS = ["30 Mio", "30 MIO", "about 5", "51-200", ">50", "5.", "1,2,3", "--5", "(5", "5)", "(-5)"]
NO_NUMBERS += ["12 pcs", "1 2", "½", "٣", "NaN", "Infinity", "0x10", "", "$", "k", "9" * 1000]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_read_as_people_write_it(text: str) -> None:
    with_point, with_comma = NUMBERS[text]
    assert (read_number(text, "."), read_number(text, ",")) == (with_point, with_comma)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_not_exactly_a_number_is_none(text: str) -> None:
    assert (read_number(text, "."), read_number(text, ",")) == (None, None)


def test_an_integer_stays_one() -> None:
    assert [type(read_number(text)) for text in ("1.2M", "12.0", "0.5")] == [int, int, float]


class Cells(NamedTuple):
    """A row."""

    cells: tuple[Cell, ...]


@pytest.mark.parametrize(
    ("texts", "sign"),
    [
        (["1,200", "5", "12 %"], None),
        (["1,200", "4,5"], ","),
        (["1,200", "1,200,000"], "."),
        (["1.200,50", "x"], ","),
        (["0.5", "0,5", "1,5"], ","),
        (["0.5", "0,5"], "."),
        ([], None),
    ],
)
def test_one_decimal_sign_holds_for_the_file(texts: list[str], sign: str | None) -> None:
    """That of most cells that can be read with one sign only; other columns do not count."""
    rows = [Cells(("0.1", text, None)) for text in texts]
    assert find_decimal_sign(rows, [1, 2]) == sign


def test_booleans_are_words_and_marks() -> None:
    yes: list[Cell] = ["yes", "YES", " true ", "1", "x", "X", "ja", 1, 1.0, True, '="yes"']
    no: list[Cell] = ["no", "False", "0", "nein", 0, 0.0, False]
    neither: list[Cell] = ["maybe", "2", 2, None, "", "yes!"]
    assert [read_boolean(cell) for cell in yes] == [True] * len(yes)
    assert [read_boolean(cell) for cell in no] == [False] * len(no)
    assert [read_boolean(cell) for cell in neither] == [None] * len(neither)


def test_a_rating_is_a_whole_number_with_either_decimal_sign() -> None:
    four: list[Cell] = ["4", "04", "4.0", "4,0", "4.00", " 4 ", "+4", 4, 4.0]
    none: list[Cell] = ["4.5", "4,5", 4.5, True, "four", "4 %", "", "4.000"]
    assert [read_rating(cell) for cell in four] == [4] * len(four)
    assert [read_rating(cell) for cell in none] == [None] * len(none)
    assert read_rating("\u22122") == -2


def test_an_id_is_a_text_and_a_shortened_one_is_refused() -> None:
    ids: dict[Cell, str | None] = {
        '="001"': "001",
        "0042": "0042",
        1001.0: "1001",
        1002: "1002",
        "1E10": "1E10",
        "1.23E+15": None,
        "1,23E+15": None,
        1.23e15: None,
    }
    assert {cell: read_id(cell) for cell in ids} == ids


def test_empty_cells_are_blank_or_say_so() -> None:
    assert all(map(is_empty, (None, "", " \u00a0\u3000", "-", "–", "#N/A", "null", "NULL", '=""')))
    assert not any(map(is_empty, ("none", "0", 0, False, "n/a")))
    assert all(map(is_not_applicable, ("n/a", "N/A", " not_applicable ")))
    assert not any(map(is_not_applicable, ("NA", "-", None, 0)))


def test_every_cell_has_a_text() -> None:
    texts: dict[Cell, str] = {" a ": "a", 7.0: "7", 7.5: "7.5", True: "true", None: ""}
    assert {cell: read_text(cell) for cell in texts} == texts
