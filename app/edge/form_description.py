"""Describe the flat form of one question set as an OpenAPI document with a single operation."""

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from app.edge.openapi_versions.parts import label
from app.inbound.forms.schemas import Form, FormResult, estimate_field
from app.scoring import Question, QuestionSet, mentioned

# The limit of the form builders of several CRMs.
MAX_FORM_DESCRIPTION_LENGTH = 999
NULL_SCHEMA = {"type": "null"}
ATTRIBUTE_JSON_TYPES = {"number": "number", "text": "string", "boolean": "boolean"}


def describe_form(question_set: QuestionSet, name: str, version: int, server: str) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document of `POST /v1/qualify/{name}`, with a field for every question.

    `name` is the question set as it is in the path, `version` the version that is described, and `server` the
    base URL of the service.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Prospect Fit: {question_set.title}",
            "description": "Qualifies a prospect in one call, with a field for every question.",
            "version": f"{question_set.key}@{version}",
        },
        "servers": [{"url": server}],
        "security": [{"ApiKey": []}],
        "paths": {f"/v1/qualify/{name}": {"post": _operation(question_set)}},
        "components": {
            "schemas": _schemas(question_set),
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _operation(question_set: QuestionSet) -> dict[str, Any]:
    return {
        "operationId": "qualify_" + question_set.key.replace("-", "_"),
        "summary": "Qualify a prospect",
        "description": _shorten(f"{question_set.title}. {question_set.description}"),
        "requestBody": {"required": True, "content": _json("Form")},
        "responses": {
            "200": {"description": "The score", "content": _json("FormResult")},
            # Without content: some form builders accept no media type other than application/json.
            "default": {"description": "A problem, as application/problem+json (RFC 9457)"},
        },
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _schemas(question_set: QuestionSet) -> dict[str, Any]:
    _, definitions = models_json_schema(
        [(Form, "validation"), (FormResult, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = definitions["$defs"]
    schemas["Form"]["properties"] |= dict(_fields(question_set))
    schemas["FormResult"]["properties"] |= dict(_estimates(question_set))
    for schema_name in ("Form", "FormResult"):
        # Form builders cannot use fields without names; here every field has one.
        del schemas[schema_name]["additionalProperties"]
        for name, field in schemas[schema_name]["properties"].items():
            field["title"] = label(name)
            # The default is always null, which is not valid for the type in OpenAPI 2.0.
            field.pop("default", None)
    return schemas


def _fields(question_set: QuestionSet) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, attribute_type in question_set.attributes.items():
        known_values = ", ".join(_compared_values(question_set, name))
        description = (
            f"An attribute. Rules compare it with: {known_values}" if known_values else "An attribute."
        )
        yield (
            name,
            {
                "anyOf": [{"type": ATTRIBUTE_JSON_TYPES[attribute_type]}, NULL_SCHEMA],
                "description": _shorten(description),
            },
        )
    scale = {"type": "integer", "minimum": question_set.scale.min, "maximum": question_set.scale.max}
    for step in question_set.steps:
        for question in step.questions:
            yield (
                question.key,
                {"anyOf": [scale, NULL_SCHEMA], "description": _shorten(_question_text(question))},
            )


def _estimates(question_set: QuestionSet) -> Iterator[tuple[str, dict[str, Any]]]:
    percentage = {"type": "number", "minimum": 0, "maximum": 100}
    for dimension in question_set.dimensions:
        yield (
            estimate_field(dimension.key),
            {
                "anyOf": [percentage, NULL_SCHEMA],
                "description": _shorten(f"Estimate so far: {dimension.title}"),
            },
        )


def _compared_values(question_set: QuestionSet, attribute: str) -> Iterator[str]:
    """Yield the texts that conditions and rules compare an attribute with, each once."""
    questions = [question for step in question_set.steps for question in step.questions]
    values = [value for question in questions for value in mentioned(attribute, question)]
    yield from dict.fromkeys(value for value in values if isinstance(value, str))


def _question_text(question: Question) -> str:
    return "\n".join([question.text, *(f"{anchor.rating}: {anchor.text}" for anchor in question.anchors)])


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_FORM_DESCRIPTION_LENGTH else text[: MAX_FORM_DESCRIPTION_LENGTH - 1] + "…"
