"""The rules and the value aliases of sources in requests and responses."""

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from app.prospects.schemas import IdRule, as_alias
from app.schemas import MAX_TEXT_LENGTH, AttributeName, In, Out, Scalar, WriteIn

MAX_ALIASES = 2000


class SourceIn(WriteIn):
    """How the external ids of a source are compared."""

    id_rule: Annotated[
        IdRule,
        Field(
            description="exact: every character counts. ignore_case: case makes no difference. salesforce: "
            "the ids of 15 and of 18 characters of one record are the same, and case makes a difference"
        ),
    ]


class SourceOut(Out):
    """A source, and how its external ids are compared."""

    source: str
    id_rule: IdRule


class SourceList(Out):
    """The sources whose rule was set. Every other source has the rule exact."""

    items: list[SourceOut]


class ValueAliasIn(In):
    """One value that a source sends, and what it means."""

    field: Annotated[
        AttributeName,
        Field(
            description="the key of an attribute or a question, or decision, outcome, outcome_reason or "
            "outcome_currency",
            examples=["industry"],
        ),
    ]
    sent: Annotated[
        str,
        StringConstraints(strict=True, min_length=1, max_length=MAX_TEXT_LENGTH),
        BeforeValidator(as_alias),
        Field(
            description="the text exactly as the source sends it; a number, true or false counts as its text",
            examples=["Software & Internet"],
        ),
    ]
    means: Annotated[
        Scalar | None,
        Field(
            description="the value or the rating to use instead; null if it means that there is no value",
            examples=["saas"],
        ),
    ]


class ValueAliasesIn(WriteIn):
    """Every alias of one source. Aliases that the source has and that are not listed here are removed."""

    aliases: Annotated[list[ValueAliasIn], Field(max_length=MAX_ALIASES)]


class ValueAliasOut(Out):
    """One value that a source sends, as text, and what it means."""

    field: str
    sent: str
    means: Scalar | None


class ValueAliasesOut(Out):
    """Every alias of one source, by field and text."""

    source: str
    aliases: list[ValueAliasOut]
