"""The facts about a prospect: the attributes that question sets declare, and the form that changes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import model_validator

from app.db import Transaction
from app.files.cells import DECIMAL_SIGNS, read_number, read_text
from app.pages.rendering import PageProblem, text
from app.pages.routes import Form
from app.problems import STALE_REVISION, Problem
from app.prospects.queries import find_prospect, prospect_out
from app.prospects.received import Origin, origins
from app.prospects.schemas import ProspectChange, ProspectOut
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.schemas import MAX_TEXT_LENGTH
from app.scoring import Flaw, Flawed, Plan, compared_with, is_blank, mentioned, pointer, read_stored
from app.scoring.question_set import AttributeType, Number, Value
from app.sessions.queries import find_session, plan_of
from app.sessions.schemas import SessionOut
from app.sessions.service import update_prospect
from app.sessions.session_edit import UnitOfWork

BOOLEANS = {"true": True, "false": False}
# The prefixes of the fields with the entered texts, and of those with the texts that the page showed.
PREFIXES = {"fact.": "entered", "was.": "seen"}


class FactsForm(Form):
    """The facts as they were entered, and as the page showed them before, by attribute.

    A fact that is not known is an empty text or is left out. Facts that were not edited are not saved, so the
    form overwrites nothing that has changed meanwhile.
    """

    entered: dict[str, str] = {}
    seen: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Collect the fields `fact.employees` and `was.employees`."""
        collected: dict[str, Any] = {group: {} for group in PREFIXES.values()}
        for name, value in sent.items():
            group = next((prefix for prefix in PREFIXES if name.startswith(prefix)), None)
            if group:
                collected[PREFIXES[group]][name.removeprefix(group)] = value
            else:
                collected[name] = value
        return collected

    @property
    def edited(self) -> dict[str, str]:
        """The facts that were edited, as they were entered."""
        names = {**self.seen, **self.entered}
        entered = {name: self.entered.get(name, "") for name in names}
        return {name: value for name, value in entered.items() if value != self.seen.get(name, "")}


@dataclass(frozen=True, slots=True)
class Fact:
    """An attribute of a prospect in a form.

    `shown` is its stored value as a text, '' if it is not known, and `entered` is the text in its field.
    `guidance` is that of the questions that a rule rates from the fact, such as the unit of a number.
    `unread` is the type that the question set expects, if it cannot read the stored value. `decides` is what
    the fact decides while it is not known. `error` says why the entered text was not saved.
    """

    name: str
    type: AttributeType
    shown: str
    entered: str
    suggestions: Sequence[Value]
    guidance: Sequence[str] = ()
    unread: AttributeType | None = None
    decides: str | None = None
    origin: Origin | None = None
    error: str | None = None
    has_conflict: bool = False

    @property
    def choices(self) -> list[str]:
        """The choices for a yes or no, which include the stored text if it is neither."""
        return list(dict.fromkeys([*BOOLEANS, "", self.shown]))


@dataclass(frozen=True, slots=True)
class Declared:
    """The types of the attributes that a form asks for, and the plans of the sets that declare them."""

    types: Mapping[str, AttributeType]
    plans: Sequence[Plan]

    @classmethod
    def by_set(cls, plan: Plan) -> "Declared":
        """Return the attributes of the question set of a session."""
        return cls(plan.question_set.attributes, [plan])

    @classmethod
    def by_any_set(cls, tx: Transaction, plans: Plans) -> "Declared":
        """Return the attributes of all sets that can be chosen for a prospect, as an import offers them."""
        return cls(plans.declared_types(tx), plans.about_prospects(tx))

    def unread(self, prospect: Prospect) -> dict[str, AttributeType]:
        """Return the expected types of the stored attributes that the sets cannot read."""
        found = (read_stored(plan.question_set, prospect.attributes).unread for plan in self.plans)
        return {name: expected for unread in found for name, expected in unread.items()}

    def suggestions(self, name: str) -> list[Value]:
        """Return the values with which the sets compare a text."""
        if self.types[name] != "text":
            return []
        return list(dict.fromkeys(value for plan in self.plans for value in compared_values(plan, name)))

    def guidance(self, name: str) -> list[str]:
        """Return the guidance of the questions that a rule rates from an attribute."""
        return list(dict.fromkeys(line for plan in self.plans for line in _guidance(plan, name)))


def facts_of(
    tx: Transaction, declared: Declared, prospect: Prospect, session: SessionOut | None = None
) -> list[Fact]:
    """Return the declared attributes, in their order. An open `session` says what the unknown ones decide."""
    known, unread = origins(tx, prospect), declared.unread(prospect)
    missing = session.score["missing_attributes"] if session and session.status == "open" else []
    decides = {one["attribute"]: one["decides"] for one in missing}
    facts = []
    for name, type_ in declared.types.items():
        shown = _shown(type_, prospect.attributes.get(name))
        facts.append(
            Fact(
                name=name,
                type=type_,
                shown=shown,
                entered=shown,
                suggestions=declared.suggestions(name),
                guidance=declared.guidance(name),
                unread=unread.get(name),
                decides=decides.get(name),
                origin=known.get(name),
            )
        )
    return facts


def with_entered(
    facts: Sequence[Fact], form: Form | None, problem: Problem | None, author: str
) -> Sequence[Fact]:
    """Return the facts with what `author` entered for them, and why it was not saved."""
    if not isinstance(form, FactsForm) or problem is None:
        return facts
    errors = {error.pointer.removeprefix("/attributes/"): error.detail for error in problem.errors}
    return [
        replace(
            fact,
            entered=form.edited.get(fact.name, fact.shown),
            error=errors.get(fact.name),
            has_conflict=_has_conflict(form, fact.name, fact.shown)
            and not (fact.origin and fact.origin.entered_by == author),
        )
        for fact in facts
    ]


def compared_values(plan: Plan, name: str) -> list[Value]:
    """Return the values with which the conditions and rules of a question set compare an attribute."""
    by_questions = [value for asked in plan.users.get(name, ()) for value in mentioned(name, asked.question)]
    for_prospects = (plan.question_set.for_ or {}).get(name)
    return list(dict.fromkeys([*by_questions, *compared_with(for_prospects)]))


def _guidance(plan: Plan, name: str) -> list[str]:
    """Return the guidance of the questions that a rule rates from an attribute."""
    rated = (asked.question for asked in plan.users.get(name, ()))
    return [
        one.guidance for one in rated if one.guidance and one.rate_from and one.rate_from.attribute == name
    ]


def save_session_facts(uow: UnitOfWork, session_id: UUID, form: FactsForm) -> ProspectOut:
    """Do the same as `save_facts` for the prospect of a session, with the attributes of its question set."""
    session = find_session(uow.tx, session_id)
    plan = plan_of(uow.tx, uow.plans, session)
    return save_facts(uow, session.prospect_id, Declared.by_set(plan), form)


def save_facts(uow: UnitOfWork, prospect_id: UUID, declared: Declared, form: FactsForm) -> ProspectOut:
    """Change the attributes of a prospect, and rescore its open sessions.

    Raises NOT_FOUND, STALE_REVISION if an edited fact has changed since the page was opened, and `Flawed` for
    facts that cannot be read.
    """
    prospect = find_prospect(uow.tx, prospect_id, lock=True)
    change = ProspectChange(attributes=_read(declared.types, form.edited))
    for name in change.attributes:
        # What the same person entered before, on this page or offline, is not a change by somebody else.
        is_own = prospect.entered.get(name, {}).get("by") == uow.author
        shown = _shown(declared.types[name], prospect.attributes.get(name))
        if not is_own and _has_conflict(form, name, shown):
            raise PageProblem(STALE_REVISION, text("facts.conflict"))
    return prospect_out(uow.tx, update_prospect(uow, prospect.id, change))


def _has_conflict(form: FactsForm, name: str, shown: str) -> bool:
    """Whether an edited fact has been changed, to another value, since the page was opened."""
    entered = form.edited.get(name)
    return entered is not None and shown not in (form.seen.get(name, ""), entered)


def _shown(declared: AttributeType, value: Any) -> str:
    """Return a stored value as one line: true, 12.5, logistics. A blank text counts as not known."""
    if value is None or is_blank(value):
        return ""
    if not isinstance(value, str):
        return read_text(value)
    # The quotes tell the text "true" from the boolean. Nobody can enter them for a yes or no.
    return f"“{value}”" if declared == "boolean" else " ".join(value.splitlines())


def _read(declared: Mapping[str, AttributeType], edited: Mapping[str, str]) -> dict[str, Value | None]:
    """Return the values of the edited facts; None clears one. Raises `Flawed` if any cannot be read."""
    errors = {name: entry_error(declared.get(name), entered) for name, entered in edited.items()}
    flaws = [
        Flaw(f"/attributes{pointer(name)}", error, "wrong_type") for name, error in errors.items() if error
    ]
    if flaws:
        raise Flawed(flaws)
    return {name: entered_value(declared[name], entered) for name, entered in edited.items()}


def entered_value(declared: AttributeType, entered: str) -> Value | None:
    """Return the value of an entered text in which `entry_error` finds no error; None if it is empty."""
    if not entered:
        return None
    if declared == "number":
        return _possible_numbers(entered)[0]
    return BOOLEANS[entered] if declared == "boolean" else entered.strip()


def entry_error(declared: AttributeType | None, entered: str) -> str | None:
    """Return what is wrong with an entered text, and the remedy. Numbers are read as those in files."""
    if declared is None:
        return text("facts.not_used")
    if not entered:
        return None
    if declared == "number":
        return _number_error(_possible_numbers(entered))
    if declared == "boolean":
        return None if entered in BOOLEANS else text("facts.not_boolean")
    return text("facts.too_long", limit=MAX_TEXT_LENGTH) if len(entered) > MAX_TEXT_LENGTH else None


def _number_error(numbers: Sequence[Number]) -> str | None:
    if not numbers:
        return text("facts.not_a_number")
    if len(numbers) > 1:
        first, second = map(_unambiguous, sorted(numbers))
        return text("facts.ambiguous", first=first, second=second)
    return None


def _possible_numbers(entered: str) -> list[Number]:
    """Return the numbers that a text can mean: 1.200 is 1.2 with a decimal point, and 1200 with a comma."""
    numbers = (read_number(entered, sign) for sign in DECIMAL_SIGNS)
    return list(dict.fromkeys(number for number in numbers if number is not None))


def _unambiguous(number: Number) -> str:
    """Return a number as text that can only mean this number: three decimals look like thousands."""
    written = str(number)
    return written if len(_possible_numbers(written)) == 1 else f"{written}0"
