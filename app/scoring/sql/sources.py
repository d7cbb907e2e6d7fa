"""Where a statement reads from: one wide table, or a table of prospects and one of their answers."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.scoring.answers import State
from app.scoring.flaws import Flaw, Flawed
from app.scoring.question_set import Question, QuestionSet
from app.scoring.sql.words import all_of, case, listed, literal, name, select, table_name

STATES: tuple[State, ...] = ("rated", "not_applicable", "unknown", "open")
# In the first table expression: what a question was answered, whether as not applicable, an attribute.
TOLD, SAID_NOT_APPLICABLE, ATTRIBUTE = "v_", "n_", "a_"


@dataclass(frozen=True, slots=True)
class Wide:
    """A row for each prospect, with a column for every question and attribute, by its key or name.

    `id` is the column that is passed on. `not_applicable` are the keys of questions that have a
    boolean column `<key>_na` beside. `problem` may name a column that says what is wrong with a row already.
    """

    table: str
    id: str = "id"
    not_applicable: frozenset[str] = frozenset()
    problem: str | None = None

    def says_not_applicable(self, question: Question) -> bool:
        """Whether a row can say so."""
        return question.key in self.not_applicable

    def read(self, question_set: QuestionSet, questions: list[Question]) -> list[tuple[str, str]]:
        """The first table expressions, the last one with a row for each prospect. Raises `Flawed`."""
        if flaws := list(self._flaws(question_set, questions)):
            raise Flawed(flaws)
        told_wrongly = name(self.problem) if self.problem else "CAST(NULL AS VARCHAR)"
        columns = [("id", name(self.id)), ("told_wrongly", told_wrongly)]
        columns += [(TOLD + q.key, f"{name(q.key)} + 0") for q in questions]
        columns += [
            (SAID_NOT_APPLICABLE + q.key, f"COALESCE({name(q.key + '_na')}, FALSE)")
            for q in questions
            if self.says_not_applicable(q)
        ]
        columns += [(ATTRIBUTE + attribute, name(attribute)) for attribute in question_set.attributes]
        return [("_told", select(columns, table_name(self.table)))]

    def _flaws(self, question_set: QuestionSet, questions: list[Question]) -> Iterator[Flaw]:
        keys = {question.key for question in questions}
        for key in sorted(self.not_applicable - keys):
            yield Flaw("/not_applicable", f"no question that is scored is called {key}", "unknown_question")
        for key in sorted(self.not_applicable & keys):
            if f"{key}_na" in keys | set(question_set.attributes):
                detail = (
                    f"{key}_na has a meaning of its own in this set: tell the answers in rows of their own"
                )
                yield Flaw("/not_applicable", detail, "contradiction")


@dataclass(frozen=True, slots=True)
class Long:
    """A table with a row for each prospect, and one with a row for each answer.

    `table` has the column `id` and one for every attribute; `answers` has `id`, `question`, `rating`
    and `state`: rated, not_applicable, unknown or open; without one it is rated if it has a rating.
    """

    table: str
    answers: str
    id: str = "id"

    def says_not_applicable(self, _question: Question) -> bool:
        """Whether a row can say so."""
        return True

    def read(self, question_set: QuestionSet, questions: list[Question]) -> list[tuple[str, str]]:
        """The first table expressions, the last one with a row for each prospect."""
        every = [question for step in question_set.steps for question in step.questions]
        columns = [("id", name("id")), ("told_wrongly", _told_wrongly(every))]
        for q in questions:
            is_about = f"question COLLATE C = {literal(q.key)}"
            skipped = all_of([is_about, f"state COLLATE C = {literal('not_applicable')}"])
            columns += [
                (TOLD + q.key, f"MAX({case((is_about, 'rating + 0'))})"),
                (SAID_NOT_APPLICABLE + q.key, f"MAX({case((skipped, '1'), otherwise='0')})"),
            ]
        of_answers = select(columns, table_name(self.answers)) + f" GROUP BY {name('id')}"
        passed_on = [("id", f"b.{name(self.id)}"), ("told_wrongly", "p.told_wrongly")]
        for q in questions:
            passed_on += [
                (TOLD + q.key, f"p.{name(TOLD + q.key)}"),
                (SAID_NOT_APPLICABLE + q.key, f"COALESCE(p.{name(SAID_NOT_APPLICABLE + q.key)} = 1, FALSE)"),
            ]
        passed_on += [(ATTRIBUTE + a, f"b.{name(a)}") for a in question_set.attributes]
        joined = f"{table_name(self.table)} AS b LEFT JOIN _answers AS p ON p.id = b.{name(self.id)}"
        return [("_answers", of_answers), ("_told", select(passed_on, joined))]


def source_of(table: str, id_column: str, answers: str | None, not_applicable: str | None) -> Wide | Long:
    """A long source if there is a table of answers, else a wide one; `not_applicable` has commas inside.

    Raises `Flawed` if both are given.
    """
    if answers and not_applicable:
        detail = "a row of answers says by its state what is not applicable: leave one out"
        raise Flawed([Flaw("/not_applicable", detail, "contradiction")])
    if answers:
        return Long(table, answers, id_column)
    return Wide(table, id_column, frozenset(not_applicable.split(",") if not_applicable else ()))


def _told_wrongly(questions: list[Question]) -> str:
    """What is wrong with the answers of one prospect, one by one; NULL if nothing is."""
    question, state = "question COLLATE C", "state COLLATE C"
    known = f"{question} IN {listed(q.key for q in questions)}"
    says_rated = f"COALESCE({state} = 'rated', FALSE)"
    says_other = f"COALESCE({state} <> 'rated', FALSE)"
    wrong = {
        "an answer to a question that the set does not have": f"NOT COALESCE({known}, FALSE)",
        f"a state that is none of {', '.join(STATES)}": f"NOT COALESCE({state} IN {listed(STATES)}, TRUE)",
        "a rating beside another state than rated": f"rating IS NOT NULL AND {says_other}",
        "rated without a rating": f"rating IS NULL AND {says_rated}",
    }
    choices = [
        (f"MAX({case((so, '1'), otherwise='0')}) = 1", f"{_first_question(so)} || {literal(': ' + told)}")
        for told, so in wrong.items()
    ]
    twice = ("COUNT(*) > COUNT(DISTINCT question)", literal("a question is answered twice"))
    return case(*choices, twice, otherwise="CAST(NULL AS VARCHAR)")


def _first_question(is_so: str) -> str:
    named = "COALESCE(question, '')"
    return f"MIN({case((is_so, named))})"
