"""What an intake does with a payload: every item of it is qualified, as a flat form is."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from app.forms.form import Form
from app.forms.reading import read_form
from app.intake.about import link_of
from app.intake.mapping import AT, OWN, Item, read_item, split
from app.intake.wire import DryRun, DryRunOut, Mapped, MappedAnswer, Mapping, Rehearsed
from app.problems import Problem
from app.prospects.aliases import translated
from app.prospects.many import find_ids, turn
from app.prospects.wire import Link
from app.scoring import Flaw, Flawed, shape_flaws
from app.sessions import flow
from app.sessions.case import Work
from app.sessions.requests import QualifyRequest
from app.sessions.views import Qualified

T = TypeVar("T")


def carry_out(work: Work, mapping: Mapping, question_set: str | None, payload: Any) -> list[Rehearsed]:
    """Qualify every item of a payload, one after the other.

    Raises `Flawed` with pointers into the intake, and what `qualify` raises.
    """
    return _carried_out(work, mapping, question_set, payload, whole=False)


def rehearse(work: Work, sample: DryRun) -> DryRunOut:
    """What a payload would do. Nothing of it is written; raises what `carry_out` would."""
    with work.tx.db.begin_nested() as trial:
        items = _carried_out(
            work, sample.mapping, sample.question_set, sample.payload, whole=not sample.partial
        )
        said = DryRunOut(items=items)
        trial.rollback()
    return said


def _carried_out(
    work: Work, mapping: Mapping, question_set: str | None, payload: Any, *, whole: bool
) -> list[Rehearsed]:
    items = split(mapping, payload)
    done: dict[int, Rehearsed] = {}
    for place in _turns(work, mapping, items):
        which = "" if mapping.each is None else f" (in item {place + 1} of the list)"
        one = partial(_one, work, mapping, question_set, items[place], whole=whole)
        done[place] = _told_of(which, one)
    return [done[place] for place in range(len(items))]


def _turns(work: Work, mapping: Mapping, items: Sequence[Any]) -> Sequence[int]:
    """The places of items in the order in which they are carried out: first those that tell no id."""
    if len(items) == 1:
        return [0]
    keys = {place: link.key for place, item in enumerate(items) if (link := link_of(mapping, item))}
    ids = find_ids(work.tx, keys.values())
    without = [place for place in range(len(items)) if place not in keys]
    return without + sorted(keys, key=lambda place: (turn(keys[place], ids), place))


def _one(work: Work, mapping: Mapping, question_set: str | None, sent: Any, *, whole: bool) -> Rehearsed:
    item = read_item(mapping, sent, whole=whole)
    form = _placed(mapping, lambda: Form.model_validate(item.own), own=True)
    request, ignored = _placed(mapping, lambda: _request(work, question_set, form, item))
    answer = _placed(mapping, lambda: flow.qualify(work, request))
    return Rehearsed(mapped=_mapped(request, answer, ignored, item), answer=answer)


def _request(
    work: Work, question_set: str | None, form: Form, item: Item
) -> tuple[QualifyRequest, list[str]]:
    """What an item asks for, and the ratings that its question set does not know."""
    link = Link(source=form.source, external_id=form.external_id)
    fields = translated(work.tx, form.source, {**item.attributes, **item.ratings})
    known = {name: fields[name] for name in item.attributes}
    named = question_set or flow.set_to_qualify(work, link, form.deal, known)
    plan = flow.plan_to_qualify(work, link, form.deal, named)
    request, unknown = read_form(plan, named, form, fields)
    # An attribute need not be one that the set's rules use.
    others = {name: value for name, value in known.items() if name not in plan.questions}
    # What was not sent stays unsent: a name that is null would be taken away.
    said = request.model_dump(exclude_unset=True) | {"attributes": others | request.attributes}
    return QualifyRequest.model_validate(said), [name for name in unknown if name in item.ratings]


def _mapped(request: QualifyRequest, answer: Qualified, ignored: list[str], item: Item) -> Mapped:
    return Mapped(
        **request.model_dump(include={"source", "external_id", "name", "deal", "attributes"}),
        question_set=answer.question_set,
        answers=[
            MappedAnswer(question=one.question, state=one.as_answer().state, rating=one.rating)
            for one in request.answers
        ],
        ignored=ignored,
        nowhere=item.nowhere,
    )


def _placed(mapping: Mapping, read: Callable[[], T], *, own: bool = False) -> T:
    """What is read; a flaw in a field is one in the pointer of the mapping that led to it."""
    try:
        return read()
    except ValidationError as error:
        raise Flawed(_place(mapping, flaw, own=own) for flaw in shape_flaws(error)) from None
    except Flawed as error:
        raise Flawed(_place(mapping, flaw, own=own) for flaw in error.flaws) from None


def _place(mapping: Mapping, flaw: Flaw, *, own: bool) -> Flaw:
    name, _, rest = flaw.pointer.removeprefix("/").partition("/")
    if not own and name == "attributes":
        name, own = rest, False
    if own and name in OWN:
        return Flaw(f"{AT}/{name}", flaw.detail, flaw.kind)
    for part in ("ratings", "attributes"):
        if name in getattr(mapping, part):
            return Flaw(f"{AT}/{part}/{name}", flaw.detail, flaw.kind)
    return flaw


def _told_of(which: str, run: Callable[[], T]) -> T:
    """What is run; a flaw tells of which item it is."""
    try:
        return run()
    except Flawed as error:
        raise Flawed(Flaw(f.pointer, f.detail + which, f.kind) for f in error.flaws) from None
    except Problem as error:
        if which:
            raise Problem(error.kind, error.detail + which, error.errors, error.headers) from None
        raise
