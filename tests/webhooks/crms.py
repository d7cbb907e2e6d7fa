"""Stand-ins for two CRMs: they check what those document of writing a record, and answer as they do."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.webhooks.far_end import Answer, Received

JSON = {"Content-Type": "application/json"}


@dataclass
class HubSpot:
    """PATCH /crm/v3/objects/{type}/{id}: {"properties": {name: text}}, by a private app's token."""

    token: str
    records: dict[tuple[str, str], dict[str, str]]
    properties: set[str]

    def __call__(self, received: Received) -> Answer:  # noqa: PLR0911  # one for each thing that it checks
        where = re.fullmatch(r"/crm/v3/objects/(companies|deals)/(\d+)", received.path)
        if received.headers.get("authorization") != f"Bearer {self.token}":
            return self._error(401, "INVALID_AUTHENTICATION")
        if received.method != "PATCH" or not where:
            return self._error(405, "METHOD_NOT_ALLOWED")
        if received.headers["content-type"] != "application/json":
            return self._error(415, "UNSUPPORTED")
        record = self.records.get((where[1], where[2]))
        if record is None:
            return self._error(404, "OBJECT_NOT_FOUND")
        sent = received.json
        if set(sent) != {"properties"} or not all(isinstance(v, str) for v in sent["properties"].values()):
            return self._error(400, "VALIDATION_ERROR")
        if unknown := set(sent["properties"]) - self.properties:
            flaws = [{"error": "PROPERTY_DOESNT_EXIST", "name": name} for name in sorted(unknown)]
            told = f"Property values were not valid: {json.dumps(flaws)}"
            return self._error(400, "VALIDATION_ERROR", told)
        record |= sent["properties"]
        return 200, JSON, json.dumps({"id": where[2], "properties": record, "archived": False})

    def _error(self, status: int, category: str, message: str = "") -> Answer:
        told = {"status": "error", "message": message, "correlationId": "x", "category": category}
        return status, JSON, json.dumps(told)


@dataclass
class Salesforce:
    """PATCH /services/data/vNN.0/sobjects/{object}/{id}, by a token of the client credentials flow."""

    client_id: str
    client_secret: str
    records: dict[tuple[str, str], dict[str, Any]]
    fields: dict[str, type]
    tokens: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)

    def __call__(self, received: Received) -> Answer:  # noqa: PLR0911  # one for each thing that it checks
        if received.path == "/services/oauth2/token":
            return self._token(received)
        where = re.fullmatch(r"/services/data/v\d\d\.0/sobjects/(\w+)/(\w+)", received.path)
        scheme, _, token = received.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens or token in self.revoked:
            return self._error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if received.method != "PATCH" or not where:
            return self._error(405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed.")
        record = self.records.get((where[1], where[2]))
        if record is None:
            return self._error(404, "NOT_FOUND", "The requested resource does not exist")
        for name, value in received.json.items():
            if name not in self.fields:
                told = f"No such column '{name}' on sobject of type {where[1]}"
                return self._error(400, "INVALID_FIELD", told)
            if value is not None and not isinstance(value, self.fields[name]):
                return self._error(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {name}")
        record |= received.json
        return 204, {}, ""

    def _token(self, received: Received) -> Answer:
        form = {name: values[0] for name, values in parse_qs(received.body).items()}
        wanted = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        is_form = received.headers["content-type"] == "application/x-www-form-urlencoded"
        if received.method != "POST" or not is_form or form != wanted:
            told = {"error": "invalid_client", "error_description": "invalid client credentials"}
            return 400, JSON, json.dumps(told)
        self.tokens.append(f"00D!AQ{len(self.tokens)}")
        # As Salesforce does, without a word on how long it lasts.
        return (
            200,
            JSON,
            json.dumps(
                {"access_token": self.tokens[-1], "scope": "api", "token_type": "Bearer", "issued_at": "1"}
            ),
        )

    def _error(self, status: int, code: str, message: str) -> Answer:
        return status, JSON, json.dumps([{"message": message, "errorCode": code}])
