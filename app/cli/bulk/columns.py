"""Turn the columns of a file into typed columns for the scoring statement.

A row with a rating that cannot be read gets a problem.
"""

from collections.abc import Iterator, Mapping

from app.cli.bulk.source import Source, UnusableFile, join_names
from app.scoring import Plan, Question
from app.scoring.question_set import AttributeType
from app.scoring.sql.words import all_of, case, listed, literal, name, select, select_more, stripped_text

PROBLEM_COLUMN = "_problem"
# Prefix of the normalized text columns: in lower case, without blanks at either end.
NORMALIZED_PREFIX = "_normalized_"
INTEGER_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
NUMBER_TYPES = (*INTEGER_TYPES, *(f"U{type_}" for type_ in INTEGER_TYPES), "FLOAT", "DOUBLE", "DECIMAL")
NOT_APPLICABLE_WORDS = ("n/a", "not_applicable")
OPEN_WORDS = ("", "unknown", "open")
NUMBER_PATTERN = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
ATTRIBUTE_COLUMN_TYPES: Mapping[AttributeType, tuple[str, ...]] = {
    "number": NUMBER_TYPES,
    "text": ("VARCHAR",),
    "boolean": ("BOOLEAN",),
}
Columns = list[tuple[str, str]]


class Reader:
    """Reads the columns of one file for one question set.

    `column_names` maps the key of a question or attribute to its column, where the names differ. `id_column`
    is the column that is copied to the output.
    """

    def __init__(self, source: Source, column_names: Mapping[str, str], id_column: str) -> None:
        self._source = source
        self._column_names = column_names
        self._id_column = id_column

    def view(self, plan: Plan, *, missing_is_open: bool) -> tuple[str, frozenset[str]]:
        """Return a SELECT with the columns of a wide table, and the questions that have a column `<key>_na`.

        Raises `UnusableFile` if columns are missing or have a type that cannot be read.
        """
        questions = [q for step in plan.question_set.steps if not step.gated for q in step.questions]
        self._require_columns(plan, questions, missing_is_open=missing_is_open)
        columns: Columns = [(self._id_column, name(self._column(self._id_column)))]
        problems: Columns = []
        skippable: set[str] = set()
        for question in questions:
            for column, expression in self._rating(question.key, problems):
                columns.append((column, expression))
                skippable |= {question.key} if column != question.key else set()
        for attribute, type_ in plan.question_set.attributes.items():
            columns.append((attribute, self._attribute(attribute, type_)))
        problem = case(
            *[(f"COALESCE({condition}, FALSE)", literal(detail)) for detail, condition in problems]
        )
        columns.append((PROBLEM_COLUMN, f"CAST({problem} AS VARCHAR)"))
        keys = [*(question.key for question in questions), *plan.question_set.attributes]
        normalized = [(NORMALIZED_PREFIX + key, self._normalized(key)) for key in keys if self._is_text(key)]
        rows = f"({select_more(normalized, self._source.relation)})"
        return select(columns, rows), frozenset(skippable)

    def _column(self, key: str) -> str:
        return self._column_names.get(key, key)

    def _has(self, key: str) -> bool:
        return self._column(key) in self._source.types

    def _require_columns(self, plan: Plan, questions: list[Question], *, missing_is_open: bool) -> None:
        if not self._has(self._id_column):
            raise UnusableFile(
                f"There is no column {self._column(self._id_column)}: name the id column with --id."
            )
        unknown = self._column_names.keys() - plan.questions.keys() - plan.question_set.attributes.keys()
        if unknown:
            raise UnusableFile(
                f"--map: {plan.name} has no question or attribute with this key: {join_names(unknown)}."
            )
        absent = {column for key, column in self._column_names.items() if not self._has(key)}
        if absent:
            raise UnusableFile(f"--map: there is no column {join_names(absent)}.")
        required = [question.key for question in questions if question.rate_from is None]
        missing = {key for key in (*required, *plan.question_set.attributes) if not self._has(key)}
        if missing and not missing_is_open:
            raise UnusableFile(
                f"There is no column for {join_names(missing)}. Name the column with --map KEY=COLUMN, "
                "or use --missing-open to score without it."
            )

    def _normalized(self, key: str) -> str:
        """Return an expression for a cell in lower case, without blanks at either end.

        Most cells have only visible ASCII characters; these need no trimming, which saves time.
        """
        column = name(self._column(key))
        is_plain = f"REGEXP_FULL_MATCH({column}, '[!-~]*')"
        return f"LOWER({case((is_plain, column), otherwise=stripped_text(column))})"

    def _is_text(self, key: str) -> bool:
        return self._has(key) and self._type(key) == "VARCHAR"

    def _type(self, key: str) -> str:
        return self._source.types[self._column(key)].partition("(")[0]

    def _rating(self, key: str, problems: Columns) -> Iterator[tuple[str, str]]:
        """Yield the columns of a question: its rating, and `<key>_na` if the file can have one.

        Adds to `problems` what a text cell must not be.
        """
        column = name(self._column(key))
        if not self._has(key):
            yield key, "CAST(NULL AS INTEGER)"
        elif self._is_text(key):
            text = name(NORMALIZED_PREFIX + key)
            is_number = f"REGEXP_FULL_MATCH({text}, {literal(NUMBER_PATTERN)})"
            is_word = f"{text} IN {listed((*OPEN_WORDS, *NOT_APPLICABLE_WORDS))}"
            problems.append(
                (f"{key}: neither a rating nor n/a or unknown", f"NOT {is_number} AND NOT {is_word}")
            )
            yield key, case((is_number, f"TRY_CAST({text} AS DOUBLE)"))
            yield f"{key}_na", f"COALESCE({text} IN {listed(NOT_APPLICABLE_WORDS)}, FALSE)"
        elif self._type(key) in NUMBER_TYPES:
            yield key, column
            if self._source.types.get(f"{self._column(key)}_na") == "BOOLEAN":
                yield f"{key}_na", name(f"{self._column(key)}_na")
        else:
            raise UnusableFile(
                f"Column {self._column(key)} has the type {self._type(key)}, but ratings are numbers."
            )

    def _attribute(self, key: str, declared: AttributeType) -> str:
        """Return an expression for an attribute.

        A value that cannot be read stays unreadable: a number becomes NaN, and a boolean keeps its text.
        """
        column = name(self._column(key))
        if not self._has(key):
            type_ = "DOUBLE" if declared == "number" else ATTRIBUTE_COLUMN_TYPES[declared][0]
            return f"CAST(NULL AS {type_})"
        if self._type(key) in ATTRIBUTE_COLUMN_TYPES[declared]:
            return column
        if not self._is_text(key):
            raise UnusableFile(
                f"Column {self._column(key)} has the type {self._type(key)}, but {key} is a {declared}."
            )
        text = name(NORMALIZED_PREFIX + key)
        if declared == "boolean":
            return text
        is_number = f"REGEXP_FULL_MATCH({text}, {literal(NUMBER_PATTERN)})"
        is_exact = f"ABS(COALESCE(TRY_CAST({text} AS HUGEINT), 0)) <= {2**53}"
        number = (all_of([is_number, is_exact]), f"TRY_CAST({text} AS DOUBLE)")
        return case(number, (f"{text} <> ''", "CAST('NaN' AS DOUBLE)"))
