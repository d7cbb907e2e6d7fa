"""Suggest what the columns of a file are, by the headings that CRMs use in English and German."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pydantic import ValidationError

from app.files.cells import DECIMAL_SIGNS, is_empty
from app.files.entries import DATE_FIELDS, ID, NAME, NOT_APPLICABLE_SUFFIX, NUMBER_FIELDS
from app.files.headings import ALIASES, REJECT_COLUMNS, attribute_name, squeezed
from app.files.rejects import shown_text
from app.files.table import TableFile
from app.files.values import Unread, attribute_reader, rating_reader, read_date_cell
from app.inbound.forms.schemas import TranslatedForm
from app.inbound.imports.reader import SESSION_FIELDS, SOURCE
from app.inbound.imports.schemas import Choices, Contents
from app.schemas import MAX_ATTRIBUTES, keyword
from app.scoring import Plan
from app.scoring.question_set import AttributeType

# The key of a column whose values are both the ids and the names.
ID_AND_NAME = "external_id+name"
LEFT_OUT = ""
MAX_NAME_LENGTH = 48
# A column is suggested as one of these fields only if most of its values are valid.
CHECKED_FIELDS = frozenset({SOURCE, *SESSION_FIELDS}) - NUMBER_FIELDS
SAMPLED_ROWS = 200
MAX_SAMPLES = 20
MAX_SAMPLE_LENGTH = 80
# Further headings of each key, in small letters without spaces and punctuation.
SYNONYMS: Mapping[str, str] = {
    ID: "accountid recordid crmid companyid customerid customernumber customerno accountnumber accountno "
    "organizationid organisationid objectid leadid kundennummer kundennr kdnr kundenid debitorennummer "
    "debitorennr debitor firmenid unternehmensid objektid datensatzid kontonummer externeid",
    NAME: "accountname companyname company customername customer organization organisation organizationname "
    "firma firmenname unternehmen unternehmensname kunde kundenname firmierung kontoname",
    SOURCE: "quellsystem",
    "industry": "branche industrie wirtschaftszweig sector vertical",
    "employees": "mitarbeiter mitarbeiterzahl mitarbeiteranzahl anzahlmitarbeiter anzahldermitarbeiter "
    "beschaeftigte numberofemployees noofemployees employeecount headcount",
    "annual_revenue": "umsatz jahresumsatz revenue turnover umsatzineur umsatzeur",
    "existing_account": "bestandskunde existingcustomer",
    "deal": "opportunity opportunityid opportunityname dealid dealname verkaufschance verkaufschancenid "
    "geschaeft auftragsnummer angebotsnummer",
    "assessor": "bewerter bewertetvon ratedby",
    "opened_on": "createddate createdate createdon erstelltam erstellungsdatum angelegtam",
    "decision": "entscheidung",
    "decision_reason": "begruendung",
    "decision_revisit_on": "wiedervorlage wiedervorlageam nextstepdate",
    "outcome": "status stage dealstage phase ergebnis result",
    "outcome_amount": "betrag auftragswert dealamount dealvalue wert",
    "outcome_currency": "waehrung currencyisocode currencycode",
    "outcome_closed_on": "closedate closeddate abschlussdatum abgeschlossenam geschlossenam schlusstermin",
    "outcome_reason": "lossreason lostreason closedlostreason verlustgrund grund",
    "outcome_competitor": "competitor wettbewerber mitbewerber konkurrent",
}


@dataclass(frozen=True, slots=True)
class Targets:
    """What the columns of a file can be: fields, attributes with their types, and questions of a set."""

    types: Mapping[str, AttributeType]
    plan: Plan | None = None

    @property
    def fields(self) -> Sequence[str]:
        """The fields of a row."""
        return (ID, NAME, SOURCE, *(SESSION_FIELDS if self.plan else ()))

    @property
    def attributes(self) -> Mapping[str, AttributeType]:
        """The declared attributes with their types."""
        return {**self.types, **(self.plan.question_set.attributes if self.plan else {})}

    @property
    def taken(self) -> frozenset[str]:
        """The keys that no further attribute can have."""
        questions = self.plan.questions.keys() if self.plan else ()
        marks = {key + NOT_APPLICABLE_SUFFIX for key in questions}
        return frozenset({*self.fields, *questions, *marks})

    def own_names(self, headings: Sequence[str]) -> tuple[str, ...]:
        """Return for each column the name of a further attribute that its heading gives, each only once."""
        names: list[str] = []
        taken = self.taken | self.attributes.keys()
        for number, heading in enumerate(headings, 1):
            name = attribute_name(heading) or _shortened(heading) or f"column_{number}"
            if name in taken:
                name = _with_suffix(name, "_value")
            names.append(_with_suffix(name, f"_{number}") if name in names else name)
        return tuple(names)

    def keys_of(self, column: int, own_names: Sequence[str]) -> frozenset[str]:
        """Return what a column can be."""
        return frozenset({LEFT_OUT, ID_AND_NAME, own_names[column], *self.taken, *self.attributes})


def read_contents(table: TableFile) -> Contents:
    """Return the headings of an open file, and samples from its first rows. Raises MALFORMED_FILE."""
    columns: list[list[str]] = [[] for _ in table.headings]
    for row in islice(table.rows(), SAMPLED_ROWS):
        for values, cell in zip(columns, row.cells, strict=False):
            text = shown_text(cell)
            if text and not is_empty(text):
                values.append(text[:MAX_SAMPLE_LENGTH])
    return Contents(
        headings=table.headings,
        samples=tuple(tuple(dict.fromkeys(values))[:MAX_SAMPLES] for values in columns),
        are_distinct=tuple(bool(values) and len(set(values)) == len(values) for values in columns),
        sheets=table.sheets,
        notes=tuple(table.notes),
    )


def columns_of(choices: Choices) -> dict[str, int]:
    """Return the index of the column of each key. If several columns have one key, the last one counts."""
    columns: dict[str, int] = {}
    for index, choice in enumerate(choices.columns):
        columns |= dict.fromkeys(_keys_in(choice), index)
    return columns


def repeated_keys(choices: Choices) -> dict[str, list[int]]:
    """Return the keys that several columns have, with the indexes of these columns."""
    found: dict[str, list[int]] = {}
    for index, choice in enumerate(choices.columns):
        for key in _keys_in(choice):
            found.setdefault(key, []).append(index)
    return {key: indexes for key, indexes in found.items() if len(indexes) > 1}


def _keys_in(choice: str) -> Sequence[str]:
    """Return the keys that a column has."""
    if choice == LEFT_OUT:
        return ()
    return (ID, NAME) if choice == ID_AND_NAME else (choice,)


def suggest(contents: Contents, targets: Targets) -> tuple[str, ...]:
    """Return the key of each column that its heading suggests, if its values fit. Each key occurs once."""
    keys = dict(_meanings(targets))
    own = targets.own_names(contents.headings)
    suggested: list[str] = []
    for index, heading in enumerate(contents.headings):
        values = contents.samples[index]
        meant = keys.get(squeezed(heading), own[index])
        key = meant if _fits(meant, values, targets) else own[index]
        is_used = values and heading and heading not in REJECT_COLUMNS and key not in suggested
        suggested.append(key if is_used else LEFT_OUT)
    _add_id(suggested, contents)
    return _limited(suggested, targets)


def carried_over(
    chosen: Sequence[str], contents: Contents, before: Targets, after: Targets
) -> tuple[str, ...]:
    """Return the columns for other targets. What a person changed stays; the rest is suggested again."""
    own = after.own_names(contents.headings)
    suggested = zip(chosen, suggest(contents, before), suggest(contents, after), strict=True)
    return tuple(
        key if key != old and key in after.keys_of(index, own) else new
        for index, (key, old, new) in enumerate(suggested)
    )


def _meanings(targets: Targets) -> Iterator[tuple[str, str]]:
    """Yield squeezed headings and the keys that they mean. For the same heading, the last key counts."""
    known = {*targets.taken, *targets.attributes}
    for key, synonyms in SYNONYMS.items():
        if key in known:
            yield from ((synonym, key) for synonym in synonyms.split())
    for field, alias in ALIASES.items():
        if field in known:
            yield alias.replace("_", ""), field
    for key, question in (targets.plan.questions if targets.plan else {}).items():
        yield squeezed(question.text), key
        if question.label:
            yield squeezed(question.label), key
    yield from ((squeezed(key), key) for key in sorted(known))


def _fits(key: str, values: Sequence[str], targets: Targets) -> bool:
    """Return whether most values of a column can be read as what its heading suggests."""
    reads = [_can_read(key, value, targets) for value in values]
    return 2 * sum(reads) >= len(reads)


def _can_read(key: str, value: str, targets: Targets) -> bool:
    if targets.plan and key in targets.plan.questions:
        return not isinstance(rating_reader(targets.plan.question_set.scale)(value), Unread)
    if key in targets.attributes:
        readers = (attribute_reader(targets.attributes[key], sign) for sign in DECIMAL_SIGNS)
        return any(not isinstance(read(value), Unread) for read in readers)
    if key not in CHECKED_FIELDS:
        return True
    read = read_date_cell(value) if key in DATE_FIELDS else value
    try:
        TranslatedForm.model_validate({SOURCE: "any", ID: "any"} | {key: read})
    except ValidationError:
        return False
    return True


def _add_id(suggested: list[str], contents: Contents) -> None:
    """Use the names as ids if no column has ids, and no name occurs twice in the sample."""
    if ID in suggested or NAME not in suggested:
        return
    index = suggested.index(NAME)
    if contents.are_distinct[index]:
        suggested[index] = ID_AND_NAME


def _limited(suggested: Sequence[str], targets: Targets) -> tuple[str, ...]:
    """Leave out the columns beyond the number of attributes that a prospect can have."""
    left, limited = MAX_ATTRIBUTES, []
    for key in suggested:
        is_attribute = key not in targets.taken and key not in (LEFT_OUT, ID_AND_NAME)
        left -= is_attribute
        limited.append(LEFT_OUT if is_attribute and left < 0 else key)
    return tuple(limited)


def _with_suffix(name: str, suffix: str) -> str:
    return name[: MAX_NAME_LENGTH - len(suffix)] + suffix


def _shortened(heading: str) -> str:
    return attribute_name(keyword(heading[:1000])[:MAX_NAME_LENGTH].strip("_"))
