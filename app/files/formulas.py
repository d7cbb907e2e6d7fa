"""Keep spreadsheets from reading texts of a CSV file as formulas.

A spreadsheet reads a cell that begins with one of `=+-@` as a formula. An apostrophe in front prevents it
(OWASP, CSV Injection). A cell with apostrophes before such a character gets one too, so that taking one away
always gives the original text. Numbers stay as they are.
"""

import re

FORMULA = r"'*[=+\-@\t\r]"
NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_IS_FORMULA = re.compile(rf"(?!{NUMBER}\Z){FORMULA}")
_ADDED_APOSTROPHE = re.compile(rf"\A'(?={FORMULA})")


def without_formula(text: str) -> str:
    """Return the text with an apostrophe in front if a spreadsheet would read it as a formula."""
    return f"'{text}" if _IS_FORMULA.match(text) else text


def without_apostrophe(text: str) -> str:
    """Return the text that `without_formula` was given."""
    return _ADDED_APOSTROPHE.sub("", text)
