"""What the columns of a CSV file stand for, by their headings."""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.imports.records import not_utf_8
from app.problems import MALFORMED_FILE, Problem, invalid, invalid_field
from app.scoring import NAME, Flaw, pointer
from app.separators import MOST_COLUMNS, separator_of
from app.wire import MOST_ATTRIBUTES

EXTERNAL_ID, SOURCE, CALLED = "external_id", "source", "name"
OWN = (SOURCE, EXTERNAL_ID, CALLED)
# What a file of rejects says of each line, so that it can be mended and imported as it is.
REJECTED_LINE, REJECTED_BECAUSE = "rejected_line", "rejected_because"
REMARKS = (REJECTED_LINE, REJECTED_BECAUSE)
# A line of a megabyte may be one heading, if it has other separators.
LONGEST_HEADING = 1000


@dataclass(frozen=True, slots=True)
class Columns:
    """The separator of a file, and what each of its columns stands for; None for what is left out."""

    separator: str
    targets: tuple[str | None, ...]

    def read(self, cells: Sequence[str]) -> dict[str, object]:
        """A row as a line of NDJSON would say it; an empty cell says nothing. Raises MALFORMED_FILE."""
        if len(cells) != len(self.targets):
            detail = f"The number of its cells is {len(cells)} and that of the columns {len(self.targets)}."
            raise Problem(MALFORMED_FILE, detail)
        filled = {
            target: cell.strip()
            for target, cell in zip(self.targets, cells, strict=True)
            if target and cell.strip()
        }
        own: dict[str, object] = {name: filled.pop(name) for name in OWN if name in filled}
        return own | {"attributes": filled}


def check_keys(mapped: Mapping[str, str]) -> None:
    """Raises INVALID_REQUEST if a column is to stand for what is no name of an attribute."""
    bad = [key for key in mapped if not re.fullmatch(NAME, key)]
    if bad:
        detail = "a column stands for source, external_id, name or an attribute: [a-z][a-z0-9_]*, at most 48"
        raise invalid(Flaw(pointer(key), detail, "bad_format") for key in bad)


def separator_in(first_line: bytes, mapped: Mapping[str, str]) -> str:
    """The separator of a file. `mapped` has headings by what they stand for."""
    headings = {heading.strip() for heading in mapped.values()}
    text = first_line.decode("utf-8", "replace")
    return separator_of(text, lambda part: part in headings or attribute_form(part) in OWN)


def read_columns(raw: bytes, mapped: Mapping[str, str], *, has_source: bool) -> Columns:
    """The columns that a line of headings names.

    Raises MALFORMED_FILE, and INVALID_REQUEST with every column that cannot be used.
    """
    separator = separator_in(raw, mapped)
    headings = [heading.strip() for heading in cells_of(_decoded(raw), separator)]
    if len(headings) > MOST_COLUMNS:
        raise invalid_field("/columns", "too_long", f"a file has at most {MOST_COLUMNS} columns")
    keys = {heading.strip(): key for key, heading in mapped.items()}
    targets = [keys.get(heading, attribute_form(heading)) for heading in headings]
    flaws = [*_unusable(targets), *_absent(targets, headings, mapped, has_source=has_source)]
    if flaws:
        raise invalid(flaws)
    return Columns(separator, tuple(None if target in REMARKS else target for target in targets))


def cells_of(text: str, separator: str) -> list[str]:
    """The cells of one record; raises MALFORMED_FILE."""
    if "\0" in text:
        raise Problem(MALFORMED_FILE, "It holds a NUL character.")
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise Problem(MALFORMED_FILE, f"It cannot be read: {_told(error)}.") from None


def attribute_form(heading: str) -> str:
    """The name of an attribute that a heading makes: "Größe (m²)" is groesse_m2, or "" if there is none."""
    if len(heading) > LONGEST_HEADING:
        return ""
    text = heading.strip().lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    if re.fullmatch(NAME, text):
        return text
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    name = re.sub(r"[^a-z0-9_]+", "_", plain).strip("_")
    return name if re.fullmatch(NAME, name) else ""


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise not_utf_8() from None


def _unusable(targets: Sequence[str]) -> Iterator[Flaw]:
    seen = set()
    for number, target in enumerate(targets, 1):
        at = pointer("columns", number)
        if not target:
            detail = "its heading makes no attribute's name: begin it with a letter from a to z, at most 48"
            yield Flaw(at, detail, "bad_format")
        elif target in seen and target not in REMARKS:
            yield Flaw(at, "a column before it stands for the same: rename one, or leave it out", "repeated")
        seen.add(target)
    if len(seen.difference(OWN, REMARKS)) > MOST_ATTRIBUTES:
        detail = f"a prospect has at most {MOST_ATTRIBUTES} attributes: leave columns out"
        yield Flaw("/columns", detail, "too_long")


def _absent(
    targets: Sequence[str], headings: Sequence[str], mapped: Mapping[str, str], *, has_source: bool
) -> Iterator[Flaw]:
    named: set[str] = set()
    for key, heading in mapped.items():
        if heading.strip() not in headings:
            yield Flaw(pointer(key), f"no column has the heading that was named for {key}", "missing")
        elif heading.strip() in named:
            yield Flaw(pointer(key), "its column was named for something else already", "repeated")
        named.add(heading.strip())
    if EXTERNAL_ID not in targets and EXTERNAL_ID not in mapped:
        detail = (
            "no column is called external_id: rename the one with the ids, or name it with the option id "
            "(columns are separated by ',', ';' or a tab)"
        )
        yield Flaw("/columns", detail, "missing")
    if SOURCE not in targets and not has_source:
        detail = "no column is called source: add one, or name one source for all with the option source"
        yield Flaw("/columns", detail, "missing")


def _told(error: csv.Error) -> str:
    if "line character" in str(error) or "new-line" in str(error):
        return "a carriage return stands alone outside of quotes: end lines with LF or CRLF"
    if "field limit" in str(error):
        return "a cell is too long"
    return "a quote within quotes is not doubled"
