"""Reads a description in any version into one form, from the specifications and not with the converters.

A schema becomes the options that a value has, whether it may be null, and what is said of it. A
document becomes operations with parameters, body and answers, so that two versions can be compared.
"""

import json
from functools import partial
from typing import Any

Raw = dict[str, Any]

NOTES = {"title", "description", "default", "deprecated", "readOnly", "writeOnly"}
COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
PLAIN = COUNTS | {"type", "format", "pattern", "multipleOf"}
NEGATIONS = {"2.0": "x-not"}
UNIONS = {"3.1": ("anyOf", "oneOf"), "3.0": ("anyOf", "oneOf"), "2.0": ("x-any-of", "x-one-of")}
NULLABLE = {"3.0": "nullable", "2.0": "x-nullable"}
RENAMED = {"2.0": {"x-deprecated": "deprecated", "x-write-only": "writeOnly"}}


_in_order = partial(json.dumps, sort_keys=True)


class Reader:
    def __init__(self, document: Raw) -> None:
        self.document = document
        self.version = (document.get("openapi") or document["swagger"])[:3]

    def schema(self, raw: Any) -> Any:
        """`{"options": […], "nullable": …}` and the notes."""
        if isinstance(raw, bool) or not raw:
            return bool(raw) or raw == {}
        raw = {RENAMED.get(self.version, {}).get(name, name): value for name, value in raw.items()}
        options, nullable = self._options(raw)
        numbers = any(option == {"type": "number"} for option in options)
        options = [option for option in options if not (numbers and option == {"type": "integer"})]
        notes = self._notes(raw)
        if len(options) == 1:
            # What is said of the only option is said of the whole.
            said = [name for name in options[0] if name in NOTES | {"examples"}]
            notes = {name: options[0].pop(name) for name in said} | notes
        return {"options": sorted(options, key=_in_order), "nullable": nullable, **notes}

    def _options(self, raw: Raw) -> tuple[list[Raw], bool]:
        nullable = bool(raw.get(NULLABLE.get(self.version, ""), False))
        outer = self._constraints(raw)
        types = raw.get("type", [])
        if isinstance(types, list) and types:
            nullable = nullable or "null" in types
            return [{**outer, "type": one} for one in types if one != "null"], nullable
        unions = [name for name in UNIONS[self.version] if name in raw]
        parts = raw[unions[0]] if unions else [{}] if self._has_rules(raw) else raw.get("allOf", [{}])
        assert len(unions) + ("allOf" in raw) < 2, raw
        assert unions or len(parts) == 1, raw
        read: list[Raw] = []
        for part in parts:
            if part in ({"type": "null"}, {"enum": [None]}):
                nullable = True
            else:
                options, null = self._options(part) if part else ([{}], False)
                notes = self._notes(part)
                read += [{**option, **notes, **outer} for option in options]
                nullable = nullable or null
        return read, nullable

    def _notes(self, raw: Raw) -> Raw:
        notes = {name: raw[name] for name in raw if name in NOTES}
        if self.version == "3.1":
            examples = raw.get("examples", [])
        else:
            # A parameter of 2.0 has no word for an example.
            one = [raw[name] for name in ("example", "x-example") if name in raw]
            examples = raw.get("x-examples", one)
        return notes | ({"examples": examples} if examples else {})

    def _constraints(self, raw: Raw) -> Raw:
        read = {name: raw[name] for name in PLAIN & raw.keys() if not isinstance(raw[name], list)}
        if "$ref" in raw:
            read["ref"] = raw["$ref"].rsplit("/", 1)[1]
        values = [raw["const"]] if "const" in raw else raw.get("enum")
        if values is not None:
            read["enum"] = sorted(repr(value) for value in values if value is not None)
        if raw.get("required"):
            read["required"] = sorted(raw["required"])
        if "properties" in raw:
            read["properties"] = {name: self.schema(part) for name, part in raw["properties"].items()}
        if "items" in raw:
            read["items"] = self.schema(raw["items"])
        negation = NEGATIONS.get(self.version, "not")
        if negation in raw:
            read["not"] = self._rule(raw[negation])
        if self._has_rules(raw):
            read["rules"] = [self._rule(rule) for rule in raw["allOf"]]
        return read | self._bounds(raw) | self._names(raw)

    def _has_rules(self, raw: Raw) -> bool:
        """Whether the parts of `allOf` are rules between the fields beside it, and not the schema itself."""
        return "allOf" in raw and "properties" in raw

    def _rule(self, raw: Raw) -> Any:
        """A rule in the words of JSON Schema: which fields must be there, and which values they must have."""
        no_value = [{"type": "null"}, {"enum": [None]}, {"enum": [None], "x-nullable": True}]
        if raw in no_value:
            return None
        older = {"x-not": "not", "x-any-of": "anyOf", "x-one-of": "oneOf"}
        rule: Raw = {}
        for said, value in raw.items():
            name = older.get(said, said) if self.version == "2.0" else said
            if name == "properties":
                rule[name] = {field: self._rule(one) for field, one in value.items()}
            elif name in ("anyOf", "oneOf", "allOf"):
                rule[name] = [self._rule(one) for one in value]
            else:
                assert name in ("not", "required", "enum"), raw
                rule[name] = self._rule(value) if name == "not" else value
        return rule

    def _bounds(self, raw: Raw) -> Raw:
        """The lowest and highest value, each with whether it is itself allowed."""
        read: Raw = {}
        for end, inclusive, exclusive in (
            ("low", "minimum", "exclusiveMinimum"),
            ("high", "maximum", "exclusiveMaximum"),
        ):
            if self.version == "3.1":
                assert not {inclusive, exclusive} <= raw.keys(), raw
                if inclusive in raw or exclusive in raw:
                    read[end] = (raw.get(inclusive, raw.get(exclusive)), inclusive in raw)
            elif inclusive in raw:
                read[end] = (raw[inclusive], not raw.get(exclusive, False))
            else:
                assert exclusive not in raw, raw
        return read

    def _names(self, raw: Raw) -> Raw:
        """What a map holds beside its properties, and how its names may look."""
        read: Raw = {}
        if "additionalProperties" in raw:
            # In 2.0 a schema without a type stands beside; in its place, generators take it for an object.
            read["others"] = self.schema(raw.get("x-additionalProperties", raw["additionalProperties"]))
        names = raw.get("propertyNames" if self.version == "3.1" else "x-propertyNames")
        for pattern, values in raw.get("patternProperties", {}).items():
            assert (read, names) == ({}, None), raw
            read["others"] = self.schema(values)
            names = {"pattern": pattern}
        return read | ({"names": names} if names else {})

    def whole(self) -> Raw:
        """Everything that the document says."""
        components = self.document.get("components", {})
        schemas = self.document["definitions"] if self.version == "2.0" else components.get("schemas", {})
        return {
            "info": self.document["info"],
            "servers": self._servers(),
            "schemas": {name: self.schema(part) for name, part in schemas.items()},
            "operations": {
                (path, method): self._operation(operation)
                for path, item in self.document["paths"].items()
                for method, operation in item.items()
            },
        }

    def _servers(self) -> list[str]:
        if self.version != "2.0":
            return [server["url"] for server in self.document.get("servers", [])]
        host, base = self.document.get("host", ""), self.document.get("basePath", "/")
        return [f"{scheme}://{host}{base}".rstrip("/") for scheme in self.document.get("schemes", [])]

    def _operation(self, raw: Raw) -> Raw:
        names = {"operationId", "summary", "description", "tags", "deprecated"}
        parameters = [part for part in raw.get("parameters", []) if part["in"] != "body"]
        return {
            **{name: raw[name] for name in names & raw.keys()},
            "security": self._security(raw),
            "parameters": {(part["in"], part["name"]): self._parameter(part) for part in parameters},
            "body": self._body(raw),
            **self._answers(raw),
        }

    def _security(self, raw: Raw) -> Any:
        """Ways to identify oneself, in order, and the scopes needed; only 3.1 has those beside any scheme."""
        ways = raw.get("security", [])
        scopes = [scope for way in ways for needed in way.values() for scope in needed]
        if self.version != "3.1":
            assert scopes == []
            scopes = raw.get("x-scopes", [])
        return [[*way] for way in ways], sorted(set(scopes))

    def _parameter(self, raw: Raw) -> Raw:
        if self.version == "2.0":
            schema = {name: raw[name] for name in raw if name not in ("name", "in", "required")}
            spread = schema.pop("collectionFormat", None) == "multi"
        else:
            schema = raw["schema"]
            spread = "array" in repr(schema) and raw["in"] == "query" and raw.get("explode", True)
        read = self.schema(schema)
        said = read.pop("description", None)
        # The title is the name in other letters; the version without schemas has no place for it.
        read.pop("title", None)
        return {
            "schema": read,
            "required": raw.get("required", False),
            "description": raw.get("description", said),
            "spread": spread,
        }

    def _body(self, raw: Raw) -> Any:
        if self.version == "2.0":
            bodies = [part for part in raw.get("parameters", []) if part["in"] == "body"]
            assert len(bodies) < 2, raw
            if not bodies:
                return None
            (body,) = bodies
            examples = [body["x-example"]] if "x-example" in body else []
            return body.get("required", False), raw["consumes"], self.schema(body["schema"]), examples
        body = raw.get("requestBody")
        if body is None:
            return None
        schema, *others = [media["schema"] for media in body["content"].values()]
        assert others == [schema] * len(others), raw
        examples = [media["example"] for media in body["content"].values() if "example" in media]
        return body.get("required", False), [*body["content"]], self.schema(schema), examples

    def _answers(self, raw: Raw) -> Raw:
        """Answers by status, with the ranges as the default: that is all that the oldest can tell."""
        answers: Raw = {}
        kinds: set[str] = set(raw.get("produces", []))
        for status, part in raw["responses"].items():
            schemas = [media["schema"] for media in part.get("content", {}).values()]
            schemas += [part["schema"]] if "schema" in part else []
            kinds |= set(part.get("content", {}))
            assert schemas == schemas[:1] * len(schemas), part
            examples = [media["example"] for media in part.get("content", {}).values() if "example" in media]
            examples += part.get("examples", {}).values()
            read = (
                part["description"],
                [self.schema(one) for one in schemas[:1]],
                part.get("headers"),
                examples,
            )
            name = "default" if status in ("4XX", "5XX") else status
            assert answers.setdefault(name, read) == read
        return {"answers": answers, "media types": kinds}


def whole(document: Raw) -> Raw:
    return Reader(document).whole()


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two readings differ, for people."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            difference
            for name in {**one, **other}
            for difference in differences(one.get(name), other.get(name), f"{where}/{name}")
        ]
    return [] if one == other else [f"{where}: {one!r} and {other!r}"]
