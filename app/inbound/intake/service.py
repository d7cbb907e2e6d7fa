"""Create and change intakes; store, process and delete payloads."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError
from sqlmodel import SQLModel, and_, bindparam, col, delete, or_, select, update

from app.clock import new_id
from app.db import Transaction, insert_if_new
from app.inbound.forms.schemas import Form
from app.inbound.forms.service import read_form
from app.inbound.intake.mapping import (
    IDENTITY_FIELDS,
    MAPPING_POINTER,
    MappedValues,
    link_of,
    read_item,
    split_items,
)
from app.inbound.intake.queries import find_intake, is_expired, is_obsolete_signature, list_intakes
from app.inbound.intake.schemas import (
    DryRun,
    DryRunItem,
    DryRunOut,
    IntakeChange,
    IntakeMapping,
    MappedAnswer,
    MappedItem,
    NewIntake,
)
from app.inbound.intake.signature import bad_signature
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt, IntakeSignature
from app.keys.service import digest, display_prefix
from app.problems import Problem, invalid_field, missing, require_known, require_revision
from app.prospects.queries import find_ids_by_link, links_of, translate_values
from app.prospects.schemas import Link
from app.prospects.service import lock_order
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, pointer, shape_flaws
from app.sessions import service as sessions
from app.sessions.schemas import QualifyRequest, QualifyResult
from app.sessions.session_edit import UnitOfWork

REPLAY_VALUES = {"status": "received", "problem": None, "processed_at": None}
RECEIPT = SQLModel.metadata.tables["intake_receipt"]
DELETE_RECEIPT = RECEIPT.delete().where(RECEIPT.c.id == bindparam("receipt"))
T = TypeVar("T")


def create_intake(tx: Transaction, plans: Plans, new: NewIntake, token: str) -> Intake:
    """A new intake behind a token.

    Raises INVALID_REQUEST for an unknown question set, `Flawed` for ratings that it does not know.
    """
    _check_ratings(tx, plans, new.mapping, new.question_set)
    intake = Intake(
        id=new_id(),
        name=new.name,
        prefix=display_prefix(token),
        digest=digest(token),
        mapping=new.mapping.model_dump(),
        question_set=new.question_set,
        hubspot_secret=new.hubspot_secret,
        keep_hours=new.keep_hours,
        created_at=tx.at,
        updated_at=tx.at,
    )
    tx.db.add(intake)
    tx.db.flush()
    return intake


def update_intake(tx: Transaction, plans: Plans, intake_id: UUID, wanted: IntakeChange) -> Intake:
    """Change an intake. Raises NOT_FOUND, STALE_REVISION and what `create` raises."""
    intake = find_intake(tx, intake_id, lock=True)
    if wanted.revision is not None:
        require_revision("intake", intake.revision, wanted.revision)
    said = wanted.model_dump()
    sent = {name: said[name] for name in wanted.model_fields_set - {"revision", "idempotency_key"}}
    for name in ("name", "mapping", "keep_hours"):
        if name in sent and sent[name] is None:
            raise invalid_field(f"/{name}", "wrong_type", "an intake needs one: leave it out to keep it")
    after = {name: sent.get(name, getattr(intake, name)) for name in ("mapping", "question_set")}
    if sent.keys() & after.keys():
        _check_ratings(tx, plans, IntakeMapping.model_validate(after["mapping"]), after["question_set"])
    if any(getattr(intake, name) != value for name, value in sent.items()):
        for name, value in sent.items():
            setattr(intake, name, value)
        intake.revision += 1
        intake.updated_at = tx.at
        tx.db.add(intake)
        tx.db.flush()
    return intake


def delete_intake(tx: Transaction, intake_id: UUID) -> None:
    """Delete an intake with its receipts; raises NOT_FOUND."""
    find_intake(tx, intake_id)
    tx.db.exec(delete(Intake).where(col(Intake.id) == intake_id))


def store_payload(
    tx: Transaction, intake: Intake, media_type: str, body: bytes, signature: str | None
) -> UUID:
    """Store a payload, to be processed in its turn.

    Raises BAD_SIGNATURE for a signature seen before, NOT_FOUND if the intake was deleted this moment.
    """
    there = select(Intake.id).where(Intake.id == intake.id).with_for_update(read=True, key_share=True)
    if tx.db.exec(there).first() is None:
        raise missing("intake with that token")
    if signature is not None:
        seen = IntakeSignature(intake_id=intake.id, signature=signature, seen_at=tx.at)
        if not insert_if_new(tx, IntakeSignature, seen.model_dump()):
            raise bad_signature("A payload with this signature was received before: this is a replay of it.")
    receipt = IntakeReceipt(
        id=new_id(), intake_id=intake.id, received_at=tx.at, media_type=media_type, body=body
    )
    tx.db.add(receipt)
    tx.db.flush()
    return receipt.id


def replay(tx: Transaction, intake_id: UUID, ids: Collection[UUID] | None) -> int:
    """Have receipts processed again, all that failed if none are named; how many there are.

    Raises NOT_FOUND, and INVALID_REQUEST for an id that is none of this intake's receipts.
    """
    find_intake(tx, intake_id)
    these = col(IntakeReceipt.intake_id) == intake_id
    if ids is None:
        which = col(IntakeReceipt.status) == "failed"
    else:
        which = col(IntakeReceipt.id).in_(ids)
        require_known("ids", ids, set(tx.db.exec(select(IntakeReceipt.id).where(these, which))))
    return tx.db.exec(update(IntakeReceipt).where(these, which).values(**REPLAY_VALUES)).rowcount


def delete_expired(tx: Transaction) -> None:
    """Delete the receipts that were kept for as long as their intakes say, and signatures too old to hold.

    What still waits stays.
    """
    for intake in list_intakes(tx):
        tx.db.exec(delete(IntakeReceipt).where(*is_expired(tx, intake)))
    tx.db.exec(delete(IntakeSignature).where(is_obsolete_signature(tx)))


def _check_ratings(tx: Transaction, plans: Plans, mapping: IntakeMapping, question_set: str | None) -> None:
    if question_set is None:
        return
    questions: Mapping[str, Any] = plans.find_to_open(tx, question_set).questions
    unknown = [key for key in mapping.ratings if key not in questions]
    if unknown:
        detail = "there is no such question in the question set: correct the key or take it away"
        raise Flawed(
            Flaw("/mapping" + pointer("ratings", key), detail, "unknown_question") for key in unknown
        )


def delete_receipts(tx: Transaction, prospect_id: UUID, found: Collection[UUID] = ()) -> None:
    """Delete every receipt that was processed about a prospect, and those that were found."""
    by_link = (
        and_(col(IntakeItem.source) == link.source, col(IntakeItem.external_id) == link.external_id)
        for link in links_of(tx, [prospect_id])[prospect_id]
    )
    about = or_(col(IntakeItem.prospect_id) == prospect_id, *by_link)
    receipts = {*found, *tx.db.exec(select(IntakeItem.receipt_id).where(about))}
    if receipts:
        # In one order, and one after the other: whoever processes a receipt is waited for.
        tx.db.execute(DELETE_RECEIPT, [{"receipt": receipt} for receipt in sorted(receipts)])


def lock_receipts(tx: Transaction, prospects: Collection[UUID]) -> None:
    """Lock what was received about prospects.

    Before they are locked themselves: so does whoever processes a receipt.
    """
    about = select(IntakeItem.receipt_id).where(col(IntakeItem.prospect_id).in_(prospects))
    wanted = select(IntakeReceipt.id).where(col(IntakeReceipt.id).in_(about))
    tx.db.exec(wanted.order_by(col(IntakeReceipt.id)).with_for_update()).all()


def reassign_receipts(tx: Transaction, gone: UUID, kept: UUID) -> None:
    """Let what was about a prospect be about the one that it was merged into."""
    tx.db.exec(update(IntakeItem).where(col(IntakeItem.prospect_id) == gone).values(prospect_id=kept))


def process_payload(
    uow: UnitOfWork, mapping: IntakeMapping, question_set: str | None, payload: Any
) -> list[DryRunItem]:
    """Qualify every item of a payload, one after the other.

    Raises `Flawed` with pointers into the intake, and what `qualify` raises.
    """
    return _process_items(uow, mapping, question_set, payload, whole=False)


def try_mapping(uow: UnitOfWork, sample: DryRun) -> DryRunOut:
    """What a payload would do. Nothing of it is written; raises what `carry_out` would."""
    with uow.tx.db.begin_nested() as trial:
        items = _process_items(
            uow, sample.mapping, sample.question_set, sample.payload, whole=not sample.partial
        )
        said = DryRunOut(items=items)
        trial.rollback()
    return said


def _process_items(
    uow: UnitOfWork, mapping: IntakeMapping, question_set: str | None, payload: Any, *, whole: bool
) -> list[DryRunItem]:
    items = split_items(mapping, payload)
    done: dict[int, DryRunItem] = {}
    for place in _item_order(uow, mapping, items):
        which = "" if mapping.items_pointer is None else f" (in item {place + 1} of the list)"
        one = partial(_process_item, uow, mapping, question_set, items[place], whole=whole)
        done[place] = _with_item_number(which, one)
    return [done[place] for place in range(len(items))]


def _item_order(uow: UnitOfWork, mapping: IntakeMapping, items: Sequence[Any]) -> Sequence[int]:
    """The places of items in the order in which they are carried out: first those that tell no id."""
    if len(items) == 1:
        return [0]
    keys = {place: link.key for place, item in enumerate(items) if (link := link_of(mapping, item))}
    ids = find_ids_by_link(uow.tx, keys.values())
    without = [place for place in range(len(items)) if place not in keys]
    return without + sorted(keys, key=lambda place: (lock_order(keys[place], ids), place))


def _process_item(
    uow: UnitOfWork, mapping: IntakeMapping, question_set: str | None, sent: Any, *, whole: bool
) -> DryRunItem:
    item = read_item(mapping, sent, whole=whole)
    form = _with_mapping_pointers(mapping, lambda: Form.model_validate(item.own), own=True)
    request, ignored = _with_mapping_pointers(
        mapping, lambda: _qualify_request(uow, question_set, form, item)
    )
    answer = _with_mapping_pointers(mapping, lambda: sessions.qualify(uow, request))
    return DryRunItem(mapped=_mapped_item(request, answer, ignored, item), answer=answer)


def _qualify_request(
    uow: UnitOfWork, question_set: str | None, form: Form, item: MappedValues
) -> tuple[QualifyRequest, list[str]]:
    """What an item asks for, and the ratings that its question set does not know."""
    link = Link(source=form.source, external_id=form.external_id)
    fields = translate_values(uow.tx, form.source, {**item.attributes, **item.ratings})
    known = {name: fields[name] for name in item.attributes}
    named = question_set or sessions.question_set_for_qualify(uow, link, form.deal, known)
    plan = sessions.plan_for_qualify(uow, link, form.deal, named)
    request, unknown = read_form(plan, named, form, fields)
    # An attribute need not be one that the set's rules use.
    others = {name: value for name, value in known.items() if name not in plan.questions}
    # What was not sent stays unsent: a name that is null would be taken away.
    said = request.model_dump(exclude_unset=True) | {"attributes": others | request.attributes}
    return QualifyRequest.model_validate(said), [name for name in unknown if name in item.ratings]


def _mapped_item(
    request: QualifyRequest, answer: QualifyResult, ignored: list[str], item: MappedValues
) -> MappedItem:
    return MappedItem(
        **request.model_dump(include={"source", "external_id", "name", "deal", "attributes"}),
        question_set=answer.question_set,
        answers=[
            MappedAnswer(question=one.question, state=one.as_answer().state, rating=one.rating)
            for one in request.answers
        ],
        ignored=ignored,
        unresolved_pointers=item.unresolved_pointers,
    )


def _with_mapping_pointers(mapping: IntakeMapping, read: Callable[[], T], *, own: bool = False) -> T:
    """What is read; a flaw in a field is one in the pointer of the mapping that led to it."""
    try:
        return read()
    except ValidationError as error:
        raise Flawed(_mapping_pointer(mapping, flaw, own=own) for flaw in shape_flaws(error)) from None
    except Flawed as error:
        raise Flawed(_mapping_pointer(mapping, flaw, own=own) for flaw in error.flaws) from None


def _mapping_pointer(mapping: IntakeMapping, flaw: Flaw, *, own: bool) -> Flaw:
    name, _, rest = flaw.pointer.removeprefix("/").partition("/")
    if not own and name == "attributes":
        name, own = rest, False
    if own and name in IDENTITY_FIELDS:
        return Flaw(f"{MAPPING_POINTER}/{name}", flaw.detail, flaw.kind)
    for part in ("ratings", "attributes"):
        if name in getattr(mapping, part):
            return Flaw(f"{MAPPING_POINTER}/{part}/{name}", flaw.detail, flaw.kind)
    return flaw


def _with_item_number(which: str, run: Callable[[], T]) -> T:
    """What is run; a flaw tells of which item it is."""
    try:
        return run()
    except Flawed as error:
        raise Flawed(Flaw(f.pointer, f.detail + which, f.kind) for f in error.flaws) from None
    except Problem as error:
        if which:
            raise Problem(error.kind, error.detail + which, error.errors, error.headers) from None
        raise
