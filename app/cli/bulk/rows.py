"""What a source gives to the scoring statement: a view with typed columns, and what goes to the output."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.cli.bulk.database import UnusableFile
from app.scoring.sql.words import name

INTEGER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
NUMBER_TYPES = (*INTEGER_TYPES, *(f"U{type_}" for type_ in INTEGER_TYPES), "FLOAT", "DOUBLE", "DECIMAL")
VIEW = "_prospects"
# One column takes everything that the statement does not score through it.
CARRIED_COLUMN, PROBLEM_COLUMN = "_carried", "_problem"
# A row has at most a million characters, each at most four bytes, and the summary and remarks besides.
MAX_LINE_BYTES = 16_000_000
# How DuckDB reads the CSV files that are written here.
CSV_OPTIONS = (
    "auto_detect = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', "
    f"new_line = '\\n', parallel = false, max_line_size = {MAX_LINE_BYTES}"
)


@dataclass(frozen=True, slots=True)
class Carried:
    """A column that goes to the output as it is: its name there, and its expression in the source."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """The rows to score.

    `select` is a SELECT with a column for each scored question and attribute, and with the columns `_carried`
    and `_problem`. `skippable` are the questions that have a column `<key>_na`. The first carried column is
    the id, and the second one the name if `is_named`. `remarks` is the expression of the remarks, which can
    use the figures; None if they are carried.
    """

    select: str
    skippable: frozenset[str]
    carried: Sequence[Carried]
    is_named: bool
    remarks: str | None = None

    @property
    def id(self) -> str:
        """The column of the ids in the output, quoted."""
        return name(self.carried[0].name)

    @property
    def name(self) -> str | None:
        """The column of the names in the output, quoted."""
        return name(self.carried[1].name) if self.is_named else None


def carried_column(carried: Sequence[Carried]) -> tuple[str, str]:
    """Return the name and the expression of the column that takes other columns to the output."""
    fields = ", ".join(f"f{number} := {one.expression}" for number, one in enumerate(carried))
    return CARRIED_COLUMN, f"STRUCT_PACK({fields})"


def carried_columns(rows: PreparedRows) -> str:
    """Return what to select from the scoring statement to get the carried columns and the remarks."""
    columns = [f"{CARRIED_COLUMN}.f{number} AS {name(one.name)}" for number, one in enumerate(rows.carried)]
    return ", ".join([*columns, *([f"{rows.remarks} AS remarks"] if rows.remarks else [])])


def require_own_names(carried: Sequence[Carried], figures: Sequence[str]) -> None:
    """Raise `UnusableFile` if two columns of the output would have the same name."""
    used = {figure.lower() for figure in figures}
    for one in carried:
        if one.name.lower() in used:
            raise UnusableFile(f"The output has another column {one.name}: rename that of the file.")
        used.add(one.name.lower())
