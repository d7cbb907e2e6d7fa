"""The rules and the value aliases of sources in requests and responses."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.prospects.schemas import IdRule
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
    """One text that a source sends, and the value that it means."""

    field: Annotated[
        AttributeName,
        Field(
            description="the key of an attribute or a question, decision or outcome", examples=["industry"]
        ),
    ]
    sent: Annotated[
        str,
        StringConstraints(strict=True, min_length=1, max_length=MAX_TEXT_LENGTH),
        Field(description="the text exactly as the source sends it", examples=["Software & Internet"]),
    ]
    means: Annotated[Scalar, Field(description="the value or the rating to use instead", examples=["saas"])]


class ValueAliasesIn(WriteIn):
    """Every alias of one source. Aliases that the source has and that are not listed here are removed."""

    aliases: Annotated[list[ValueAliasIn], Field(max_length=MAX_ALIASES)]


class ValueAliasOut(Out):
    """One text that a source sends, and the value that it means."""

    field: str
    sent: str
    means: Scalar


class ValueAliasesOut(Out):
    """Every alias of one source, by field and text."""

    source: str
    aliases: list[ValueAliasOut]
