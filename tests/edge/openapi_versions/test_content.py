"""Three descriptions of one API: each valid, all the same in content."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from tests.edge.openapi_versions.conftest import VERSIONS
from tests.edge.openapi_versions.reading import differences, whole

pytestmark = pytest.mark.one_database

VALIDATORS = {
    "3.1": OpenAPIV31SpecValidator,
    "3.0": OpenAPIV30SpecValidator,
    "2.0": OpenAPIV2SpecValidator,
}
OLDER = ("3.0", "2.0")
LONGEST_DESCRIPTION = 1000
LONGEST_ID = 30
ABOUT = ("description", "example", "default")
SCALARS = ("type", "format", "pattern", "enum", "minimum", "maximum", "exclusiveMaximum", "minLength")
LISTS = ("items", "minItems", "maxItems")
MAPS = ("additionalProperties", "minProperties", "maxProperties", "x-propertyNames", "required")
KEYWORDS = ABOUT + SCALARS + ("maxLength",) + LISTS + MAPS + ("$ref", "schema", "nullable", "anyOf", "not")
IN_2_0 = {"nullable": "x-nullable", "anyOf": "x-any-of", "not": "x-not"}
OF_A_SCHEMA = {"type", "$ref", "allOf", "schema", "anyOf", "x-any-of", "not", "x-not"}


@pytest.fixture(scope="module")
def newest(documents):
    """What the newest description says."""
    return whole(documents["3.1"])


@pytest.mark.parametrize("version", VERSIONS)
def test_each_is_valid(documents, version):
    assert [error.message for error in VALIDATORS[version](documents[version]).iter_errors()] == []


@pytest.mark.parametrize("version", OLDER)
def test_each_says_what_3_1_says(documents, newest, version):
    assert differences(newest, whole(documents[version])) == []


def test_the_names_of_schemas_are_our_own(documents):
    """FastAPI adds the path of the module to a name that two classes have: moving one would rename it."""
    names = documents["3.1"]["components"]["schemas"]
    assert [name for name in names if not re.fullmatch("([A-Z][a-z0-9]*)+", name)] == []


def test_the_ranges_of_status_stay_in_3_0(documents):
    newest, older = documents["3.1"]["paths"], documents["3.0"]["paths"]
    for path, item in newest.items():
        for method, operation in item.items():
            assert [*operation["responses"]] == [*older[path][method]["responses"]]


def nodes(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for nested in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from nodes(nested)


NO_SCHEMAS = ("example", "x-example", "default", "info", "securitySchemes", "securityDefinitions")


def schemas(document: Any) -> Iterator[dict[str, Any]]:
    """The parts with schemas: not what describes the document, nor examples and defaults."""
    if isinstance(document, list):
        for nested in document:
            yield from schemas(nested)
    if isinstance(document, dict):
        if OF_A_SCHEMA & document.keys():
            yield document
        for name, nested in document.items():
            if name not in NO_SCHEMAS and not is_map_of_examples(name, nested):
                yield from schemas(nested)


def is_map_of_examples(name: str, part: Any) -> bool:
    """The examples of a response, by media type, as 2.0 has them."""
    return name == "examples" and isinstance(part, dict) and all("/" in media for media in part)


def is_noticed(newest: Any, mutated: Any) -> bool:
    """Whether a mutated document is told apart from the newest, or cannot be read at all."""
    try:
        return differences(newest, whole(mutated)) != []
    except (AssertionError, KeyError):
        return True


def copied(document: dict[str, Any]) -> Any:
    """A copy of a document, which `deepcopy` takes ten times as long to make."""
    return orjson.loads(orjson.dumps(document))


def picked(found: list[Any]) -> list[Any]:
    """The first, the middle and the last."""
    assert found
    return [found[0], found[len(found) // 2], found[-1]]


def saying(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The schemas that say this, and say it nowhere else: a parameter may have its description twice."""
    searched = document.get("components", document.get("definitions")) if name == "description" else document
    having = [part for part in schemas(searched) if name in part and not isinstance(part.get("type"), dict)]
    # Not to be required is what is so anyway.
    return [part for part in having if name != "required" or part[name]]


@pytest.mark.parametrize("version", OLDER)
@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_that_is_lost_is_noticed(documents, newest, version, keyword):
    name = IN_2_0.get(keyword, keyword) if version == "2.0" else keyword
    for place in picked([*range(len(saying(documents[version], name)))]):
        mutated = copied(documents[version])
        part = saying(mutated, name)[place]
        if name in ("enum", "required") and isinstance(part[name], list):
            part[name].pop(0)
        else:
            del part[name]
        assert is_noticed(newest, mutated), part


@pytest.mark.parametrize("version", OLDER)
def test_a_null_that_is_added_is_noticed(documents, newest, version):
    nullable = IN_2_0["nullable"] if version == "2.0" else "nullable"
    places = [
        n
        for n, part in enumerate(schemas(documents[version]))
        if isinstance(part.get("type"), str) and nullable not in part
    ]
    for place in picked(places):
        mutated = copied(documents[version])
        list(schemas(mutated))[place][nullable] = True
        assert is_noticed(newest, mutated), place


QUALIFY = ("paths", "/v1/qualify", "post")


@pytest.mark.parametrize(
    "lost",
    [
        ("paths", "/v1/fits"),
        (*QUALIFY, "operationId"),
        (*QUALIFY, "summary"),
        (*QUALIFY, "security"),
        (*QUALIFY, "x-scopes"),
        (*QUALIFY, "parameters", 0),
        (*QUALIFY, "responses", "200", "schema"),
        (*QUALIFY, "responses", "default"),
        (*QUALIFY, "produces", 1),
        ("definitions", "FitOut"),
        ("definitions", "DimensionFigures", "properties", "estimate"),
    ],
    ids=lambda lost: str(lost[-1]),
)
def test_a_part_that_is_lost_is_noticed(documents, newest, lost):
    *way, last = lost
    mutated = copied(documents["2.0"])
    part = mutated
    for step in way:
        part = part[step]
    del part[last]
    assert is_noticed(newest, mutated)


@pytest.mark.parametrize("version", VERSIONS)
def test_descriptions_and_ids_are_short(documents, version):
    said = [
        part[name]
        for part in nodes(documents[version])
        for name in ("description", "summary")
        if isinstance(part.get(name), str)
    ]
    ids = [o["operationId"] for item in documents[version]["paths"].values() for o in item.values()]
    assert max(map(len, said)) < LONGEST_DESCRIPTION
    assert max(map(len, ids)) <= LONGEST_ID
    assert len(set(ids)) == len(ids)


def test_2_0_has_nothing_that_it_does_not_know(documents):
    newer = {"anyOf", "oneOf", "not", "nullable", "const", "examples", "components", "requestBody", "content"}
    said = [
        {name for name in part if not is_map_of_examples(name, part[name])}
        for part in schemas(documents["2.0"])
    ]
    assert [names for names in said if newer & names] == []


def test_2_0_tells_where_the_service_is_and_how_a_key_is_sent(documents):
    document = documents["2.0"]
    assert document["host"] == "fit.example.com"
    assert document["basePath"] == "/api"
    assert document["schemes"] == ["https"]
    told = documents["3.1"]["components"]["securitySchemes"]
    assert document["securityDefinitions"]["APIKeyHeader"] == told["APIKeyHeader"]
    # A custom connector takes the first, and sends what people paste there as it is.
    assert next(iter(document["securityDefinitions"])) == "APIKeyHeader"
    bearer = document["securityDefinitions"]["HTTPBearer"]
    assert (bearer["type"], bearer["in"], bearer["name"]) == ("apiKey", "header", "Authorization")
    assert "Bearer" in bearer["description"]


@pytest.mark.parametrize("version", OLDER)
def test_each_is_served_without_a_key_and_is_no_operation(client, version):
    answer = client.get(f"/openapi-{version}.json", headers={"X-API-Key": ""})
    assert answer.status_code == 200
    assert answer.json().get("openapi", answer.json().get("swagger")).startswith(version)
    assert differences(whole(client.get("/openapi.json").json()), whole(answer.json())) == []
    assert not any(path.startswith("/openapi") for path in answer.json()["paths"])
