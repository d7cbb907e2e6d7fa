"""Create and change intakes; store, process and delete payloads."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError
from sqlmodel import SQLModel, bindparam, case, col, delete, select, update

from app.clock import new_id
from app.db import Transaction, insert_if_new, insert_or_update
from app.encryption.service import Cipher
from app.inbound.forms.schemas import TranslatedForm
from app.inbound.forms.service import read_form, translated_form
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
from app.inbound.intake.queries import (
    IntakeQuotas,
    current_hour,
    expired_receipt_clauses,
    find_intake,
    list_intakes,
    obsolete_signature_clause,
    require_quotas,
)
from app.inbound.intake.schemas import (
    DryRun,
    DryRunItem,
    DryRunOut,
    IntakeChange,
    IntakeMapping,
    MappedAnswer,
    MappedItem,
    NewIntake,
    SignatureIn,
)
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt, IntakeSignature
from app.keys.service import digest, display_prefix
from app.problems import (
    BAD_SIGNATURE,
    Problem,
    missing,
    require_known_ids,
    require_revision,
    require_values,
)
from app.prospects.queries import find_id_rules, links_of, translate_values
from app.prospects.schemas import Link, match_key
from app.prospects.service import lock_orders
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, pointer, shape_flaws
from app.sessions.qualification import plan_for_qualify, qualify, question_set_for_qualify
from app.sessions.requests import ClearingRequest
from app.sessions.schemas import QualifyResult
from app.sessions.session_edit import UnitOfWork

# A waiting receipt that was processed before keeps the time.
REPLAY_VALUES = {"status": "received", "problem": None}
USAGE = SQLModel.metadata.tables["intake_usage"]
RECEIPT = SQLModel.metadata.tables["intake_receipt"]
DELETE_RECEIPT = RECEIPT.delete().where(RECEIPT.c.id == bindparam("receipt"))
T = TypeVar("T")


def create_intake(tx: Transaction, plans: Plans, cipher: Cipher, new: NewIntake, token: str) -> Intake:
    """Create an intake that is reached with `token`, and return it.

    Raises INVALID_REQUEST if the question set is unknown, `Flawed` if the mapping has ratings that the
    question set does not know, and NO_ENCRYPTION_KEY or WRONG_ENCRYPTION_KEY if the secret cannot be
    encrypted.
    """
    _check_ratings(tx, plans, new.mapping, new.question_set)
    intake_id = new_id()
    intake = Intake(
        id=intake_id,
        name=new.name,
        prefix=display_prefix(token),
        digest=digest(token),
        mapping=new.mapping.stored(),
        question_set=new.question_set,
        **_signature_values(tx, cipher, intake_id, new.signature),
        keep_hours=new.keep_hours,
        created_at=tx.at,
        updated_at=tx.at,
    )
    tx.db.add(intake)
    tx.db.flush()
    return intake


def update_intake(
    tx: Transaction, plans: Plans, cipher: Cipher, intake_id: UUID, change: IntakeChange
) -> Intake:
    """Set the fields that were sent, and return the intake. The revision increases if a value differs.

    Raises NOT_FOUND, STALE_REVISION, INVALID_REQUEST for a null in a required field, and what
    `create_intake` raises.
    """
    signature = _signature_values(tx, cipher, intake_id, change.signature)
    intake = find_intake(tx, intake_id, lock=True)
    if change.revision is not None:
        require_revision("intake", intake.revision, change.revision)
    values = change.model_dump()
    sent = {name: values[name] for name in change.model_fields_set - {"revision", "idempotency_key"}}
    require_values(sent, ("name", "mapping", "keep_hours"))
    if change.mapping is not None:
        sent["mapping"] = change.mapping.stored()
    if "signature" in sent:
        secret = change.signature.secret if change.signature else None
        if cipher.matches("signature secret", intake_id, intake.signature_secret, secret):
            signature["signature_secret"] = intake.signature_secret
        sent |= signature
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


def _signature_values(
    tx: Transaction, cipher: Cipher, intake_id: UUID, signature: SignatureIn | None
) -> dict[str, Any]:
    """Return the columns of a signature, with its secret encrypted."""
    if signature is None:
        return {"signature": None, "signature_secret": None}
    return {
        "signature": signature.rule.model_dump(),
        "signature_secret": cipher.encrypt(tx, "signature secret", intake_id, signature.secret),
    }


def delete_intake(tx: Transaction, intake_id: UUID) -> None:
    """Delete an intake with its receipts; raises NOT_FOUND."""
    find_intake(tx, intake_id)
    tx.db.exec(delete(Intake).where(col(Intake.id) == intake_id))


def store_payload(
    tx: Transaction,
    intake: Intake,
    media_type: str,
    body: bytes,
    signature: str | None,
    quotas: IntakeQuotas,
) -> UUID:
    """Store a payload that is processed later, and return the id of its receipt.

    Raises BAD_SIGNATURE if the signature was seen before, NOT_FOUND if the intake was deleted after it was
    read, and QUOTA_EXCEEDED.
    """
    statement = select(Intake.id).where(Intake.id == intake.id).with_for_update(read=True, key_share=True)
    if tx.db.exec(statement).first() is None:
        raise missing("intake with that token")
    if signature is not None:
        seen = IntakeSignature(intake_id=intake.id, signature=signature, seen_at=tx.at)
        if not insert_if_new(tx, IntakeSignature, seen.model_dump()):
            detail = "A payload with this signature was received before: this one is a replay."
            raise Problem(BAD_SIGNATURE, detail)
    _use_quotas(tx, intake.id, len(body), quotas)
    receipt = IntakeReceipt(
        id=new_id(), intake_id=intake.id, received_at=tx.at, media_type=media_type, body=body
    )
    tx.db.add(receipt)
    tx.db.flush()
    return receipt.id


def _use_quotas(tx: Transaction, intake_id: UUID, size: int, quotas: IntakeQuotas) -> None:
    """Count a payload of this size; raises QUOTA_EXCEEDED.

    The row of the usage is locked until the transaction ends, so payloads of one intake that arrive at the
    same time are counted one after the other. Other intakes do not wait.
    """
    hour = current_hour(tx)
    same_hour = USAGE.c.hour == hour
    changes = {
        "hour": hour,
        "posts": case((same_hour, USAGE.c.posts + 1), else_=1),
        "bytes": case((same_hour, USAGE.c.bytes + size), else_=size),
    }
    first = {"intake_id": intake_id, "hour": hour, "posts": 1, "bytes": size}
    used = insert_or_update(tx, USAGE, first, changes)
    require_quotas(tx, intake_id, quotas, used.posts, used.bytes)


def replay(tx: Transaction, intake_id: UUID, ids: Collection[UUID] | None) -> int:
    """Mark receipts to be processed again: those in `ids`, or all that failed if `ids` is None.

    The items of a failed receipt that are done stay as they are: meanwhile, the sender may have sent newer
    values. Returns the number of receipts. Raises NOT_FOUND if there is no such intake, and INVALID_REQUEST
    if an id is not the id of one of its receipts.
    """
    find_intake(tx, intake_id)
    of_intake = col(IntakeReceipt.intake_id) == intake_id
    selected = col(IntakeReceipt.status) == "failed" if ids is None else col(IntakeReceipt.id).in_(ids)
    statement = select(IntakeReceipt.id, IntakeReceipt.status).where(of_intake, selected)
    statuses = dict(tx.db.exec(statement.order_by(col(IntakeReceipt.id)).with_for_update()).all())
    if ids is not None:
        require_known_ids("ids", ids, statuses.keys())
    tx.db.exec(update(IntakeReceipt).where(of_intake, selected).values(**REPLAY_VALUES))
    done = [receipt for receipt, status in statuses.items() if status == "done"]
    tx.db.exec(update(IntakeItem).where(col(IntakeItem.receipt_id).in_(done)).values(status="received"))
    return len(statuses)


def delete_expired(tx: Transaction) -> None:
    """Delete processed receipts older than the `keep_hours` of their intake, and obsolete signatures.

    Receipts that wait to be processed are never deleted.
    """
    for intake in list_intakes(tx):
        tx.db.exec(delete(IntakeReceipt).where(*expired_receipt_clauses(tx, intake)))
    tx.db.exec(delete(IntakeSignature).where(obsolete_signature_clause(tx)))


def _check_ratings(tx: Transaction, plans: Plans, mapping: IntakeMapping, question_set: str | None) -> None:
    if question_set is None:
        return
    questions: Mapping[str, Any] = plans.find_to_open(tx, question_set).questions
    unknown = [key for key in mapping.ratings if key not in questions]
    if unknown:
        detail = "the question set has no such question: correct the key or remove it"
        raise Flawed(
            Flaw("/mapping" + pointer("ratings", key), detail, "unknown_question") for key in unknown
        )


def delete_receipts(tx: Transaction, prospect_id: UUID, found: Collection[UUID] = ()) -> None:
    """Delete every receipt with an item about a prospect, and the receipts whose ids are in `found`."""
    known = select(IntakeItem.receipt_id).where(IntakeItem.prospect_id == prospect_id)
    receipts = {*found, *tx.db.exec(known), *_receipts_by_link(tx, prospect_id)}
    if receipts:
        # One statement for each receipt, in the order of the ids, so that two transactions cannot deadlock. A
        # delete waits until a worker that is processing the receipt has finished.
        tx.db.execute(DELETE_RECEIPT, [{"receipt": receipt} for receipt in sorted(receipts)])


def _receipts_by_link(tx: Transaction, prospect_id: UUID) -> Iterator[UUID]:
    """Yield the receipts with an item that has an id of a prospect, but was stored before the prospect."""
    links = links_of(tx, [prospect_id])[prospect_id]
    keys = {(link.source, link.match_key) for link in links}
    rules = find_id_rules(tx, {link.source for link in links})
    statement = select(IntakeItem).where(col(IntakeItem.source).in_(rules))
    for item in tx.db.exec(statement.where(col(IntakeItem.prospect_id).is_(None))):
        if item.external_id and (item.source, match_key(rules[item.source], item.external_id)) in keys:
            yield item.receipt_id


def lock_receipts(tx: Transaction, prospects: Collection[UUID]) -> None:
    """Lock the receipts about prospects, in the order of their ids.

    Call this before you lock the prospects: the worker also locks a receipt before its prospects.
    """
    about = select(IntakeItem.receipt_id).where(col(IntakeItem.prospect_id).in_(prospects))
    statement = select(IntakeReceipt.id).where(col(IntakeReceipt.id).in_(about))
    tx.db.exec(statement.order_by(col(IntakeReceipt.id)).with_for_update()).all()


def reassign_receipts(tx: Transaction, from_id: UUID, to_id: UUID) -> None:
    """Move the receipts about a prospect to the prospect that it was merged into."""
    tx.db.exec(update(IntakeItem).where(col(IntakeItem.prospect_id) == from_id).values(prospect_id=to_id))


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
