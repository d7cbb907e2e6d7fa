"""Read a cell as the value that its column has, or say why it cannot be read."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from app.files.cells import (
    OTHER_SIGN,
    DecimalSign,
    is_empty,
    is_formula_error,
    is_not_applicable,
    read_boolean,
    read_dotted_day,
    read_id,
    read_number,
    read_rating,
    read_text,
)
from app.files.table import BadCell, Cell, Null
from app.schemas import MAX_TEXT_LENGTH
from app.scoring import Answer
from app.scoring.question_set import AttributeType, Scale, Value

NOT_APPLICABLE = Answer("not_applicable")
ANSWER_WORDS: Mapping[str, Answer] = {"unknown": Answer("unknown"), "open": Answer("open")}
SIGN_NAMES: Mapping[DecimalSign, str] = {".": "a point", ",": "a comma"}


class Unread(NamedTuple):
    """Why a cell cannot be read, as the end of a sentence about it: "is not a number"."""

    reason: str


# None is an empty cell.
CellValue = Value | Answer | Unread | Null | None
ReadCell = Callable[[Cell], CellValue]
ReadFilled = Callable[[str | int | float | bool], CellValue]


def attribute_reader(type_: AttributeType, decimal: DecimalSign) -> ReadCell:
    """Return what reads the cells of an attribute."""
    if type_ == "number":
        return number_reader(decimal)
    return partial(_read, _boolean if type_ == "boolean" else _text)


def number_reader(decimal: DecimalSign) -> ReadCell:
    """Return what reads cells as numbers, in a file with this decimal sign."""
    return partial(_read, partial(_number, decimal=decimal))


def rating_reader(scale: Scale) -> ReadCell:
    """Return what reads the cells of a question as answers."""
    ratings = {rating: Answer("rated", rating) for rating in range(scale.min, scale.max + 1)}
    bad = Unread(f"is neither a whole number from {scale.min} to {scale.max} nor n/a or unknown")

    def read(cell: str | float) -> CellValue:
        rating = read_rating(cell)
        if rating is not None:
            return ratings.get(rating, bad)
        return ANSWER_WORDS.get(read_text(cell).lower(), bad)

    return partial(_read, read, not_applicable=NOT_APPLICABLE)


def read_text_cell(cell: Cell) -> CellValue:
    """Read a cell as text."""
    return _read(_text, cell)


def read_date_cell(cell: Cell) -> CellValue:
    """Read a cell as text: a day or a time with dots in ISO 8601, and any other text as it is."""
    return _read(_date, cell)


def read_typed_cell(cell: Cell) -> CellValue:
    """Read a cell of a format that has types: a number or a boolean keeps its type."""
    return _read(lambda filled: _text(filled) if isinstance(filled, str) else filled, cell)


def read_id_cell(cell: Cell) -> CellValue:
    """Read a cell as an id."""
    return _read(_id, cell)


def _read(read: ReadFilled, cell: Cell, *, not_applicable: Answer | None = None) -> CellValue:
    """Read a cell with a function for filled ones. For an attribute, `n/a` is an empty cell."""
    if cell is None or isinstance(cell, Null):
        return cell
    if isinstance(cell, BadCell):
        return Unread(cell.reason)
    if is_empty(cell):
        return None
    if is_not_applicable(cell):
        return not_applicable
    return Unread("is the error of a formula") if is_formula_error(cell) else read(cell)


def _number(cell: str | float, decimal: DecimalSign) -> CellValue:
    number = read_number(cell, decimal)
    if number is None and read_number(cell, OTHER_SIGN[decimal]) is not None:
        return Unread(f"is not a number, because the decimal sign is {SIGN_NAMES[decimal]}")
    return Unread("is not a number") if number is None else number


def _boolean(cell: str | float) -> CellValue:
    boolean = read_boolean(cell)
    return Unread("is neither yes nor no") if boolean is None else boolean


def _text(cell: str | float) -> CellValue:
    text = read_text(cell)
    return Unread(f"has more than {MAX_TEXT_LENGTH} characters") if len(text) > MAX_TEXT_LENGTH else text


def _date(cell: str | float) -> CellValue:
    text = _text(cell)
    return read_dotted_day(text) or text if isinstance(text, str) else text


def _id(cell: str | float) -> CellValue:
    text = read_id(cell)
    if text is None:
        return Unread("has lost digits in a spreadsheet: format the column as text, and save the file again")
    return text
