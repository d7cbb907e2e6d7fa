"""Small pieces of SQL in DuckDB's dialect. Conditions are never NULL, or COALESCE makes them so."""

from collections.abc import Iterable, Sequence
from string import ascii_lowercase, ascii_uppercase

from app.scoring.question_set import Value
from app.scoring.texts import BLANKS

# A chain of operators becomes a tree of the same depth, and databases limit that depth.
MAX_CHAIN = 50
NO_NUMBER, NO_TEXT = "CAST(NULL AS DOUBLE)", "CAST(NULL AS VARCHAR)"
# As codes: tabs and carriage returns in a statement could get lost when it is copied.
BLANK_CHARACTERS = "(" + " || ".join(f"CHR({ord(blank)})" for blank in BLANKS) + ")"


def name(identifier: str) -> str:
    """A quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def table_name(dotted: str) -> str:
    """A quoted table name; dots separate the schema and the database from it."""
    return ".".join(name(part) for part in dotted.split("."))


def literal(value: Value) -> str:
    """A constant. A fraction is cast from text: some databases read a plain one as a decimal and round it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"({value})" if isinstance(value, int) else f"CAST('{value!r}' AS DOUBLE)"


def listed(values: Iterable[Value]) -> str:
    """`(a, b, …)`."""
    return "(" + ", ".join(literal(value) for value in values) + ")"


def stripped_text(text: str) -> str:
    """A text without blanks at its ends."""
    return f"TRIM({text}, {BLANK_CHARACTERS})"


def folded_text(text: str) -> str:
    """A text as `folded` returns it; in most databases, LOWER would change more than the 26 letters."""
    return f"TRANSLATE({stripped_text(text)}, {literal(ascii_uppercase)}, {literal(ascii_lowercase)})"


def added(terms: Iterable[str]) -> str:
    """The sum; 0 without terms."""
    return _chained("+", list(terms)) or "0"


def times(factor: int, term: str) -> str:
    """The product."""
    return term if factor == 1 else f"{literal(factor)} * {term}"


def all_of(conditions: Iterable[str]) -> str:
    """Whether every condition is true."""
    return _chained("AND", list(conditions)) or "TRUE"


def any_of(conditions: Iterable[str]) -> str:
    """Whether any condition is true."""
    return _chained("OR", list(conditions)) or "FALSE"


def names_of(chosen: Sequence[tuple[str, str]]) -> str:
    """The names whose condition is true, separated by commas; NULL if there are none."""
    if not chosen:
        return NO_TEXT
    names = [
        case((condition, literal(f",{chosen_name}")), otherwise="''") for chosen_name, condition in chosen
    ]
    return f"NULLIF(SUBSTRING({_chained('||', names)}, 2), '')"


def case(*choices: tuple[str, str], otherwise: str = "NULL") -> str:
    """The value of the first condition that is true."""
    if not choices:
        return otherwise
    whens = " ".join(f"WHEN {condition} THEN {value}" for condition, value in choices)
    return f"CASE {whens} ELSE {otherwise} END"


def ratio(numerator: str, denominator: str) -> str:
    """One division of two integers in double precision; NULL if the divisor is 0."""
    quotient = f"CAST({numerator} AS DOUBLE) / CAST({denominator} AS DOUBLE)"
    return case((f"{denominator} > 0", quotient))


def select(columns: Iterable[tuple[str, str]], source: str) -> str:
    """`SELECT expression AS name, … FROM …`; `columns` are pairs of a name and an expression."""
    selected = ", ".join(f"{expression} AS {name(column)}" for column, expression in columns)
    return f"SELECT {selected} FROM {source}"


def select_more(columns: Iterable[tuple[str, str]], source: str) -> str:
    """All columns of a table, and further ones."""
    further = "".join(f", {expression} AS {name(column)}" for column, expression in columns)
    return f"SELECT *{further} FROM {source}"


def _chained(operator: str, terms: Sequence[str]) -> str:
    if len(terms) > MAX_CHAIN:
        size = -(-len(terms) // MAX_CHAIN) if len(terms) <= MAX_CHAIN**2 else MAX_CHAIN
        parts = [terms[start : start + size] for start in range(0, len(terms), size)]
        return _chained(operator, [_chained(operator, part) for part in parts])
    inside = f" {operator} ".join(terms)
    return f"({inside})" if len(terms) > 1 else inside
