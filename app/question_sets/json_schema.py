"""The JSON Schema of a question set's file, for editors."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core.core_schema import DictSchema, WithDefaultSchema

from app.question_sets.variants import Variant
from app.scoring import QuestionSet

FILE_NAME = "question-set.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Exact(GenerateJsonSchema):
    """A schema that refuses what reading refuses, and proposes nothing that it refuses."""

    def dict_schema(self, schema: DictSchema) -> dict[str, Any]:
        """A map takes no names but those of its pattern."""
        return super().dict_schema(schema) | {"additionalProperties": False}

    def default_schema(self, schema: WithDefaultSchema) -> dict[str, Any]:
        """A null as the default says nothing."""
        told = super().default_schema(schema)
        return {name: value for name, value in told.items() if (name, value) != ("default", None)}


def question_set_schema() -> dict[str, Any]:
    """A document is a variant if it extends a set and has no steps of its own, or else a whole set."""
    references, schema = models_json_schema(
        [(QuestionSet, "validation"), (Variant, "validation")], by_alias=True, schema_generator=Exact
    )
    return {
        "$schema": DIALECT,
        "title": "A question set of Prospect Fit, whole or as a variant of another",
        "if": {"required": ["extends"], "not": {"required": ["steps"]}},
        "then": references[Variant, "validation"],
        "else": references[QuestionSet, "validation"],
        "$defs": schema["$defs"],
    }
