"""The flat form of one question set as an OpenAPI document with a single operation."""

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from app.inbound.forms.schemas import Form, FormResult, estimate_field
from app.scoring import Question, QuestionSet, mentioned

# What the builders of several CRMs take at most.
LONGEST_DESCRIPTION = 999
NULL = {"type": "null"}
TYPES = {"number": "number", "text": "string", "boolean": "boolean"}


def describe_form(question_set: QuestionSet, named: str, number: int, server: str) -> dict[str, Any]:
    """OpenAPI 3.1: `POST /v1/qualify/{named}` as that version has it, every question a field of its own."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Prospect Fit: {question_set.title}",
            "description": "Qualifies a prospect in one call, with a field for every question.",
            "version": f"{question_set.key}@{number}",
        },
        "servers": [{"url": server}],
        "security": [{"ApiKey": []}],
        "paths": {f"/v1/qualify/{named}": {"post": _operation(question_set)}},
        "components": {
            "schemas": _schemas(question_set),
            "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _operation(question_set: QuestionSet) -> dict[str, Any]:
    return {
        "operationId": "qualify_" + question_set.key.replace("-", "_"),
        "summary": "Qualify a prospect",
        "description": _short(f"{question_set.title}. {question_set.description}"),
        "requestBody": {"required": True, "content": _json("Form")},
        "responses": {
            "200": {"description": "The score", "content": _json("FormResult")},
            # Without its content: of form builders some take no media type but application/json.
            "default": {"description": "A problem, as application/problem+json (RFC 9457)"},
        },
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _schemas(question_set: QuestionSet) -> dict[str, Any]:
    _, described = models_json_schema(
        [(Form, "validation"), (FormResult, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = described["$defs"]
    schemas["Form"]["properties"] |= dict(_fields(question_set))
    schemas["FormResult"]["properties"] |= dict(_estimates(question_set))
    for flat in ("Form", "FormResult"):
        # Every field has a name: builders of forms make nothing of fields without.
        del schemas[flat]["additionalProperties"]
        for name, field in schemas[flat]["properties"].items():
            field["x-ms-summary"] = field["title"] = _title(name)
            # Always null, which is none of the types that OpenAPI 2.0 would have it be.
            field.pop("default", None)
    return schemas


def _fields(question_set: QuestionSet) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, declared in question_set.attributes.items():
        told = ", ".join(_values_of(question_set, name))
        about = f"An attribute. Rules know: {told}" if told else "An attribute."
        yield name, {"anyOf": [{"type": TYPES[declared]}, NULL], "description": _short(about)}
    scale = {"type": "integer", "minimum": question_set.scale.min, "maximum": question_set.scale.max}
    for step in question_set.steps:
        for question in step.questions:
            yield question.key, {"anyOf": [scale, NULL], "description": _short(_question_text(question))}


def _estimates(question_set: QuestionSet) -> Iterator[tuple[str, dict[str, Any]]]:
    percentage = {"type": "number", "minimum": 0, "maximum": 100}
    for dimension in question_set.dimensions:
        yield (
            estimate_field(dimension.key),
            {"anyOf": [percentage, NULL], "description": _short(f"Estimate so far: {dimension.title}")},
        )


def _values_of(question_set: QuestionSet, attribute: str) -> Iterator[str]:
    """The texts that conditions and rules compare this attribute with, each once."""
    questions = [question for step in question_set.steps for question in step.questions]
    values = [value for question in questions for value in mentioned(attribute, question)]
    yield from dict.fromkeys(value for value in values if isinstance(value, str))


def _question_text(question: Question) -> str:
    return "\n".join([question.text, *(f"{anchor.rating}: {anchor.text}" for anchor in question.anchors)])


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[0].upper() + words[1:]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 1] + "…"
