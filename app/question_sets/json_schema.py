"""The JSON Schema of a question set's file, for editors."""

from typing import Any

from pydantic.json_schema import models_json_schema

from app.question_sets.variants import Variant
from app.scoring import QuestionSet

FILE_NAME = "question-set.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def question_set_schema() -> dict[str, Any]:
    """A document is a variant if it extends a set and has no steps of its own, or else a whole set."""
    references, schema = models_json_schema(
        [(QuestionSet, "validation"), (Variant, "validation")], by_alias=True
    )
    return {
        "$schema": DIALECT,
        "title": "A question set of Prospect Fit, whole or as a variant of another",
        "if": {"required": ["extends"], "not": {"required": ["steps"]}},
        "then": references[Variant, "validation"],
        "else": references[QuestionSet, "validation"],
        "$defs": schema["$defs"],
    }
