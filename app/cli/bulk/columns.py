"""A file's columns as the statement reads them: with types, and a problem where a rating cannot be read."""

from collections.abc import Iterator, Mapping

from app.cli.bulk.source import Source, UnusableFile, count_of
from app.scoring import Plan, Question
from app.scoring.question_set import AttributeType
from app.scoring.sql.words import all_of, case, listed, literal, name, select, select_more, stripped_text

PROBLEM = "_problem"
# A text cell that is read as something else: in lower case and without blanks at its ends.
SAID = "_said_"
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
NUMBERS = (*INTEGERS, *(f"U{type_}" for type_ in INTEGERS), "FLOAT", "DOUBLE", "DECIMAL")
NOT_APPLICABLE, NOT_KNOWN = ("n/a", "not_applicable"), ("", "unknown", "open")
NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
FITS: Mapping[AttributeType, tuple[str, ...]] = {
    "number": NUMBERS,
    "text": ("VARCHAR",),
    "boolean": ("BOOLEAN",),
}
Columns = list[tuple[str, str]]


class Reader:
    """Reads the columns of one file for one question set; `column` names the file's column for a key."""

    def __init__(self, source: Source, named: Mapping[str, str], id_column: str) -> None:
        self.source = source
        self.named = named
        self.id = id_column

    def view(self, plan: Plan, *, missing_is_open: bool) -> tuple[str, frozenset[str]]:
        """A SELECT with the columns of a wide table, and the questions with a column `<key>_na`.

        Raises `Unusable` for columns that are not there or hold what they cannot.
        """
        asked = [q for step in plan.question_set.steps if not step.gated for q in step.questions]
        self._require(plan, asked, missing_is_open=missing_is_open)
        columns: Columns = [(self.id, name(self._column(self.id)))]
        wrong: Columns = []
        skippable: set[str] = set()
        for question in asked:
            for called, expression in self._rating(question.key, wrong):
                columns.append((called, expression))
                skippable |= {question.key} if called != question.key else set()
        for attribute, declared in plan.question_set.attributes.items():
            columns.append((attribute, self._fact(attribute, declared)))
        problem = case(*[(f"COALESCE({is_so}, FALSE)", literal(told)) for told, is_so in wrong])
        columns.append((PROBLEM, f"CAST({problem} AS VARCHAR)"))
        keys = [*(question.key for question in asked), *plan.question_set.attributes]
        said = [(SAID + key, self._said(key)) for key in keys if self._is_text(key)]
        return select(columns, f"({select_more(said, self.source.relation)})"), frozenset(skippable)

    def _column(self, key: str) -> str:
        return self.named.get(key, key)

    def _has(self, key: str) -> bool:
        return self._column(key) in self.source.types

    def _require(self, plan: Plan, asked: list[Question], *, missing_is_open: bool) -> None:
        if not self._has(self.id):
            raise UnusableFile(f"No column is called {self._column(self.id)}: name the id's with --id.")
        unknown = self.named.keys() - plan.questions.keys() - plan.question_set.attributes.keys()
        if unknown:
            raise UnusableFile(f"Not in {plan.name}, so nothing can stand for it: {count_of(unknown)}.")
        absent = {column for key, column in self.named.items() if not self._has(key)}
        if absent:
            raise UnusableFile(f"No column is called {count_of(absent)}.")
        wanted = [question.key for question in asked if question.rate_from is None]
        missing = {key for key in (*wanted, *plan.question_set.attributes) if not self._has(key)}
        if missing and not missing_is_open:
            raise UnusableFile(
                f"There is no column for {count_of(missing)}. Name it with --map KEY=COLUMN, "
                "or send --missing-open to score without."
            )

    def _said(self, key: str) -> str:
        """A cell in lower case and without blanks at its ends; most cells have none, which is quick."""
        column = name(self._column(key))
        is_plain = f"REGEXP_FULL_MATCH({column}, '[!-~]*')"
        return f"LOWER({case((is_plain, column), otherwise=stripped_text(column))})"

    def _is_text(self, key: str) -> bool:
        return self._has(key) and self._type(key) == "VARCHAR"

    def _type(self, key: str) -> str:
        return self.source.types[self._column(key)].partition("(")[0]

    def _rating(self, key: str, wrong: Columns) -> Iterator[tuple[str, str]]:
        column = name(self._column(key))
        if not self._has(key):
            yield key, "CAST(NULL AS INTEGER)"
        elif self._is_text(key):
            said = name(SAID + key)
            is_number = f"REGEXP_FULL_MATCH({said}, {literal(NUMBER)})"
            is_word = f"{said} IN {listed((*NOT_KNOWN, *NOT_APPLICABLE))}"
            wrong.append(
                (f"{key}: neither a rating nor n/a or unknown", f"NOT {is_number} AND NOT {is_word}")
            )
            yield key, case((is_number, f"TRY_CAST({said} AS DOUBLE)"))
            yield f"{key}_na", f"COALESCE({said} IN {listed(NOT_APPLICABLE)}, FALSE)"
        elif self._type(key) in NUMBERS:
            yield key, column
            if self.source.types.get(f"{self._column(key)}_na") == "BOOLEAN":
                yield f"{key}_na", name(f"{self._column(key)}_na")
        else:
            raise UnusableFile(
                f"Column {self._column(key)} holds {self._type(key)}, and ratings are numbers."
            )

    def _fact(self, key: str, declared: AttributeType) -> str:
        """An attribute. What cannot be read stays unreadable: as NaN, or for a boolean as the text it is."""
        column = name(self._column(key))
        if not self._has(key):
            return f"CAST(NULL AS {'DOUBLE' if declared == 'number' else FITS[declared][0]})"
        if self._type(key) in FITS[declared]:
            return column
        if not self._is_text(key):
            raise UnusableFile(
                f"Column {self._column(key)} holds {self._type(key)}, and {key} is a {declared}."
            )
        said = name(SAID + key)
        if declared == "boolean":
            return said
        is_number = f"REGEXP_FULL_MATCH({said}, {literal(NUMBER)})"
        is_exact = f"ABS(COALESCE(TRY_CAST({said} AS HUGEINT), 0)) <= {2**53}"
        number = (all_of([is_number, is_exact]), f"TRY_CAST({said} AS DOUBLE)")
        return case(number, (f"{said} <> ''", "CAST('NaN' AS DOUBLE)"))
