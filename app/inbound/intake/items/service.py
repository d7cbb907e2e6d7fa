"""Read the items of a payload with a mapping, and qualify them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from app.db import Transaction
from app.inbound.forms.schemas import TranslatedForm
from app.inbound.forms.service import read_form, translated_form
from app.inbound.intake.items.schemas import DryRun, DryRunItem, DryRunOut, MappedAnswer, MappedItem
from app.inbound.intake.mapping import (
    CONCLUSION_FIELDS,
    IDENTITY_FIELDS,
    MAPPING_FIELDS,
    MAPPING_POINTER,
    MappedValues,
    is_skipped,
    link_of,
    read_item,
    split_items,
    time_of,
)
from app.inbound.intake.schemas import IntakeMapping
from app.problems import Problem
from app.prospects.queries import translate_values
from app.prospects.schemas import Link
from app.prospects.service import lock_orders
from app.scoring import Flaw, Flawed, shape_flaws
from app.sessions.qualification import plan_for_qualify, qualify, question_set_for_qualify
from app.sessions.requests import ClearingRequest
from app.sessions.schemas import QualifyResult
from app.sessions.session_edit import UnitOfWork

T = TypeVar("T")


def try_mapping(uow: UnitOfWork, sample: DryRun) -> DryRunOut:
    """Return what a payload would do, and write nothing.

    Raises what `items_in_order` and `process_item` raise, for the first item that fails. Unless the sample is
    `partial`, also raises `Flawed` if a pointer leads nowhere.
    """
    mapping, results = sample.mapping, {}
    with uow.tx.savepoint() as savepoint:
        for place, item in items_in_order(uow.tx, mapping, sample.payload):
            suffix = "" if mapping.items_pointer is None else f" (in item {place + 1} of the list)"
            process = partial(
                process_item, uow, mapping, sample.question_set, item, complete=not sample.partial
            )
            results[place] = _with_item_number(suffix, process)
        savepoint.rollback()
    return DryRunOut(items=[results[place] for place in sorted(results)])


def items_in_order(tx: Transaction, mapping: IntakeMapping, payload: Any) -> Sequence[tuple[int, Any]]:
    """Return the items of a payload, each with its place, in the order in which they are processed.

    First come the items without an id, then the others in the order in which their prospects are locked. The
    items about one prospect have the order of their times. Raises `Flawed` if the payload has no such list.
    """
    items = split_items(mapping, payload)
    links = {place: link.key for place, item in enumerate(items) if (link := link_of(mapping, item))}
    orders = lock_orders(tx, links.values()) if len(items) > 1 else {}

    def position(place: int) -> Any:
        order = orders.get(links[place]) if place in links else None
        return () if order is None else (order, time_of(mapping, items[place]), place)

    return [(place, items[place]) for place in sorted(range(len(items)), key=position)]


def process_item(
    uow: UnitOfWork,
    mapping: IntakeMapping,
    question_set: str | None,
    raw_item: Any,
    *,
    complete: bool = False,
    replayed_from: datetime | None = None,
) -> DryRunItem:
    """Qualify an item of a payload, unless a condition of the mapping does not hold.

    An item about a property that the mapping does not use is skipped too. Without a `question_set`, one is
    chosen as `qualify` does. An item without an actor has that of `uow`. In a replay, `replayed_from` is when
    the payload was received: answers without a time of their own have this one, so that they do not replace
    newer ones. Raises `Flawed` with pointers into the intake, and what `qualify` raises.
    """
    if is_skipped(mapping, raw_item):
        return DryRunItem(skipped=True, mapped=None, answer=None)
    item = read_item(mapping, raw_item, complete=complete)
    if mapping.property is not None and item.is_empty:
        return DryRunItem(skipped=True, mapped=None, answer=None)
    received = {"answered_at": replayed_from.isoformat()} if replayed_from else {}
    form = _with_mapping_pointers(
        mapping, lambda: translated_form(uow.tx, mapping.source, received | item.form), in_form=True
    )
    uow = replace(uow, actor=form.actor or uow.actor)
    request, ignored = _with_mapping_pointers(
        mapping, lambda: _qualify_request(uow, question_set, form, item)
    )
    answer = QualifyResult(**_with_mapping_pointers(mapping, lambda: qualify(uow, request)))
    mapped = _mapped_item(form, request, answer, ignored, item)
    return DryRunItem(skipped=False, mapped=mapped, answer=answer)


def _qualify_request(
    uow: UnitOfWork, question_set: str | None, form: TranslatedForm, item: MappedValues
) -> tuple[ClearingRequest, list[str]]:
    """Return an item's qualify request, and the ratings that its question set does not know."""
    link = Link(source=form.source, external_id=form.external_id)
    fields = translate_values(uow.tx, form.source, {**item.attributes, **item.ratings})
    known = {name: fields[name] for name in item.attributes}
    set_name = question_set or question_set_for_qualify(uow, link, form.identity, known)
    plan = plan_for_qualify(uow, link, form.identity, set_name)
    request, unknown = read_form(uow.tx, plan, set_name, form, fields)
    # Attributes are stored even if no rule of the set uses them.
    others = {name: value for name, value in known.items() if name not in plan.questions}
    # Leave out what was not sent: a null would remove the name of the prospect.
    values = request.model_dump(exclude_unset=True) | {"attributes": others | request.attributes}
    return ClearingRequest.model_validate(values), [name for name in unknown if name in item.ratings]


def _mapped_item(
    form: TranslatedForm,
    request: ClearingRequest,
    answer: QualifyResult,
    ignored: list[str],
    item: MappedValues,
) -> MappedItem:
    return MappedItem(
        **form.model_dump(include=set(CONCLUSION_FIELDS)),
        **request.model_dump(include={"source", *IDENTITY_FIELDS, "attributes"}),
        question_set=answer.question_set,
        answers=[
            MappedAnswer(question=sent.question, state=sent.as_answer().state, rating=sent.rating)
            for sent in request.answers
        ],
        ignored=ignored,
        unresolved_pointers=item.unresolved_pointers,
    )


def _with_mapping_pointers(mapping: IntakeMapping, read: Callable[[], T], *, in_form: bool = False) -> T:
    """Return the result of `read`; if it finds flaws in fields, raise them for the pointers of the mapping.

    If `in_form` is true, the flaws are in fields of the form, and not in attributes or questions.
    """
    try:
        return read()
    except ValidationError as error:
        flaws = shape_flaws(error)
        raise Flawed(_flaw_in_mapping(mapping, flaw, in_form=in_form) for flaw in flaws) from None
    except Flawed as error:
        raise Flawed(_flaw_in_mapping(mapping, flaw, in_form=in_form) for flaw in error.flaws) from None


def _flaw_in_mapping(mapping: IntakeMapping, flaw: Flaw, *, in_form: bool) -> Flaw:
    name, _, rest = flaw.pointer.removeprefix("/").partition("/")
    if not in_form and name == "attributes":
        name = rest
    elif name in CONCLUSION_FIELDS or (in_form and name in IDENTITY_FIELDS):
        return Flaw(f"{MAPPING_POINTER}/{MAPPING_FIELDS.get(name, name)}", flaw.detail, flaw.kind)
    for part in ("ratings", "attributes"):
        if name in getattr(mapping, part):
            return Flaw(f"{MAPPING_POINTER}/{part}/{name}", flaw.detail, flaw.kind)
    return flaw


def _with_item_number(suffix: str, run: Callable[[], T]) -> T:
    """Return the result of `run`; add `suffix`, which names the item, to the details of what it raises."""
    try:
        return run()
    except Flawed as error:
        raise Flawed(Flaw(f.pointer, f.detail + suffix, f.kind) for f in error.flaws) from None
    except Problem as error:
        if suffix:
            raise Problem(error.kind, error.detail + suffix, error.errors, error.headers) from None
        raise
