"""The tables of a statement: one wide table, or a table of prospects and one of their answers."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.scoring.answers import State
from app.scoring.flaws import Flaw, Flawed
from app.scoring.question_set import Question, QuestionSet
from app.scoring.sql.words import all_of, case, listed, literal, name, select, table_name

STATES: tuple[State, ...] = ("rated", "not_applicable", "unknown", "open")
# Prefixes of columns: the raw rating of a question, whether it is marked not applicable, an attribute.
RAW, MARKED, ATTRIBUTE = "v_", "n_", "a_"


@dataclass(frozen=True, slots=True)
class Wide:
    """A table with a row for each prospect and a column for each question and attribute.

    The columns have the names of the keys and attributes. `id` is the column that identifies a row.
    `not_applicable` are the keys of questions that also have a boolean column `<key>_na`. A question that a
    rule rates has a column only if its key is in `rated`. `problem` names a column with the problem that a
    row is already known to have.
    """

    table: str
    id: str = "id"
    not_applicable: frozenset[str] = frozenset()
    rated: frozenset[str] = frozenset()
    problem: str | None = None

    def can_be_not_applicable(self, question: Question) -> bool:
        """Whether the table can mark a question as not applicable."""
        return question.key in self.not_applicable

    def read(self, question_set: QuestionSet, questions: list[Question]) -> list[tuple[str, str]]:
        """The first table expressions; the last one has a row for each prospect. Raises `Flawed`."""
        if flaws := list(self._flaws(question_set, questions)):
            raise Flawed(flaws)
        input_problem = name(self.problem) if self.problem else "CAST(NULL AS VARCHAR)"
        columns = [("id", name(self.id)), ("input_problem", input_problem)]
        columns += [(RAW + q.key, self._raw(q)) for q in questions]
        columns += [
            (MARKED + q.key, f"COALESCE({name(q.key + '_na')}, FALSE)")
            for q in questions
            if self.can_be_not_applicable(q)
        ]
        columns += [(ATTRIBUTE + attribute, name(attribute)) for attribute in question_set.attributes]
        return [("_input", select(columns, table_name(self.table)))]

    def _raw(self, question: Question) -> str:
        has_column = question.rate_from is None or question.key in self.rated
        return f"{name(question.key)} + 0" if has_column else "CAST(NULL AS INTEGER)"

    def _flaws(self, question_set: QuestionSet, questions: list[Question]) -> Iterator[Flaw]:
        keys = {question.key for question in questions}
        for option, listed_keys in (("not_applicable", self.not_applicable), ("rated", self.rated)):
            for key in sorted(listed_keys - keys):
                yield Flaw(f"/{option}", f"no scored question has the key {key}", "unknown_question")
        for key in sorted(self.not_applicable & keys):
            if f"{key}_na" in keys | set(question_set.attributes):
                detail = f"{key}_na has another meaning in this set: use a table with a row for each answer"
                yield Flaw("/not_applicable", detail, "contradiction")


@dataclass(frozen=True, slots=True)
class Long:
    """A table with a row for each prospect, and one with a row for each answer.

    `table` has the column `id` and a column for each attribute. `answers` has the columns `id`, `question`,
    `rating` and `state`: rated, not_applicable, unknown or open. Without a state, an answer with a rating is
    rated.
    """

    table: str
    answers: str
    id: str = "id"

    def can_be_not_applicable(self, _question: Question) -> bool:
        """Whether the table can mark a question as not applicable."""
        return True

    def read(self, question_set: QuestionSet, questions: list[Question]) -> list[tuple[str, str]]:
        """The first table expressions; the last one has a row for each prospect."""
        every = [question for step in question_set.steps for question in step.questions]
        columns = [("id", name("id")), ("input_problem", _input_problem(every))]
        for q in questions:
            is_about = f"question COLLATE C = {literal(q.key)}"
            skipped = all_of([is_about, f"state COLLATE C = {literal('not_applicable')}"])
            columns += [
                (RAW + q.key, f"MAX({case((is_about, 'rating + 0'))})"),
                (MARKED + q.key, f"MAX({case((skipped, '1'), otherwise='0')})"),
            ]
        of_answers = select(columns, table_name(self.answers)) + f" GROUP BY {name('id')}"
        columns_of_prospect = [("id", f"b.{name(self.id)}"), ("input_problem", "p.input_problem")]
        for q in questions:
            columns_of_prospect += [
                (RAW + q.key, f"p.{name(RAW + q.key)}"),
                (MARKED + q.key, f"COALESCE(p.{name(MARKED + q.key)} = 1, FALSE)"),
            ]
        columns_of_prospect += [(ATTRIBUTE + a, f"b.{name(a)}") for a in question_set.attributes]
        joined = f"{table_name(self.table)} AS b LEFT JOIN _answers AS p ON p.id = b.{name(self.id)}"
        return [("_answers", of_answers), ("_input", select(columns_of_prospect, joined))]


def source_of(
    table: str, id_column: str, answers: str | None, not_applicable: str | None, rated: str | None
) -> Wide | Long:
    """A long source if there is a table of answers, else a wide one.

    `not_applicable` and `rated` are keys of questions, separated by commas. Raises `Flawed` if one of them is
    given with a table of answers.
    """
    if answers is None:
        return Wide(table, id_column, _keys(not_applicable), _keys(rated))
    flaws = []
    if not_applicable:
        detail = "the state of an answer says what is not applicable: leave out one of the two"
        flaws.append(Flaw("/not_applicable", detail, "contradiction"))
    if rated:
        detail = "the table of answers has all ratings: leave out one of the two"
        flaws.append(Flaw("/rated", detail, "contradiction"))
    if flaws:
        raise Flawed(flaws)
    return Long(table, answers, id_column)


def _keys(listed_keys: str | None) -> frozenset[str]:
    return frozenset(listed_keys.split(",") if listed_keys else ())


def _input_problem(questions: list[Question]) -> str:
    """The first problem of the answers of one prospect; NULL if there is none."""
    question, state = "question COLLATE C", "state COLLATE C"
    known = f"{question} IN {listed(q.key for q in questions)}"
    is_rated = f"COALESCE({state} = 'rated', FALSE)"
    is_not_rated = f"COALESCE({state} <> 'rated', FALSE)"
    problems = {
        "an answer to a question that the set does not have": f"NOT COALESCE({known}, FALSE)",
        f"a state that is none of {', '.join(STATES)}": f"NOT COALESCE({state} IN {listed(STATES)}, TRUE)",
        "a rating beside another state than rated": f"rating IS NOT NULL AND {is_not_rated}",
        "rated without a rating": f"rating IS NULL AND {is_rated}",
    }
    choices = [
        (
            f"MAX({case((condition, '1'), otherwise='0')}) = 1",
            f"{_first_question(condition)} || {literal(': ' + problem)}",
        )
        for problem, condition in problems.items()
    ]
    twice = ("COUNT(*) > COUNT(DISTINCT question)", literal("a question is answered twice"))
    return case(*choices, twice, otherwise="CAST(NULL AS VARCHAR)")


def _first_question(condition: str) -> str:
    named = "COALESCE(question, '')"
    return f"MIN({case((condition, named))})"
