"""Stand-ins for CRMs: they check what the vendors document of writing a record, and answer as they do."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.webhooks.far_end import Answer, Received

JSON = {"Content-Type": "application/json"}
GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Of a field: `float`, or of a text the most characters.
Kind = type[float] | int
Record = dict[str, Any]


def says(status: int, body: Any = None) -> Answer:
    return status, JSON, "" if body is None else json.dumps(body)


@dataclass
class Tokens:
    """An OAuth token endpoint: it wants exactly this form. `lifetime` is what it says of one, if anything."""

    path: str
    form: Mapping[str, str]
    lifetime: int | None = None
    given: list[str] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)

    def answer(self, received: Received, refused: Answer) -> Answer:
        form = {name: values[0] for name, values in parse_qs(received.body).items()}
        is_form = received.headers["content-type"] == "application/x-www-form-urlencoded"
        if received.method != "POST" or not is_form or form != self.form:
            return refused
        self.given.append(f"00D!AQ{len(self.given)}")
        lasts = {"expires_in": self.lifetime} if self.lifetime else {}
        return says(200, {"access_token": self.given[-1], "token_type": "Bearer", **lasts})

    def accepts(self, token: str) -> bool:
        return token in self.given and token not in self.revoked


@dataclass
class Crm:
    """Records by (kind, id), and their fields. `flaw` says of which field a value is wrong, and how."""

    records: dict[tuple[str, str], Record]
    fields: Mapping[str, Kind]
    secrets: Mapping[str, str] = field(default_factory=dict)
    tokens: Tokens | None = None

    def flaw(self, sent: Mapping[str, Any]) -> tuple[str, str] | None:
        for name, value in sent.items():
            kind = self.fields.get(name)
            if kind is None:
                return name, "unknown"
            if value is None:
                continue
            wanted = (int, float) if kind is float else str
            if not isinstance(value, wanted) or isinstance(value, bool):
                return name, "type"
            if isinstance(kind, int) and len(value) > kind:
                return name, "length"
        return None

    def has_token(self, received: Received, scheme: str = "Bearer") -> bool:
        given, _, token = received.headers.get("authorization", "").partition(" ")
        if given != scheme:
            return False
        return self.tokens.accepts(token) if self.tokens else token == self.secrets["token"]


def is_json(received: Received) -> bool:
    return received.headers.get("content-type") == "application/json"


class HubSpot(Crm):
    """PATCH /crm/objects/{version}/{type}/{id}: {"properties": {name: text}}, by a service key.

    A property is emptied by an empty text, and one that does not exist is an error:
    https://developers.hubspot.com/docs/api-reference/2026-03/crm/objects/companies/update-company.md (seen
    2026-11), versions: https://developers.hubspot.com/docs/api-reference/2026-03/overview (2026-09-09).
    """

    def __call__(self, received: Received) -> Answer:  # noqa: PLR0911  # one for each thing that it checks
        where = re.fullmatch(r"/crm/objects/2026-0[39]/(companies|deals)/(\d+)", received.path)
        if not self.has_token(received):
            return self._error(401, "INVALID_AUTHENTICATION")
        if received.method != "PATCH" or not where:
            return self._error(405, "METHOD_NOT_ALLOWED")
        if not is_json(received):
            return self._error(415, "UNSUPPORTED")
        record = self.records.get((where[1], where[2]))
        if record is None:
            return self._error(404, "OBJECT_NOT_FOUND")
        sent = received.json
        if set(sent) != {"properties"} or not all(isinstance(v, str) for v in sent["properties"].values()):
            return self._error(400, "VALIDATION_ERROR")
        if unknown := set(sent["properties"]) - set(self.fields):
            flaws = [{"error": "PROPERTY_DOESNT_EXIST", "name": name} for name in sorted(unknown)]
            told = f"Property values were not valid: {json.dumps(flaws)}"
            return self._error(400, "VALIDATION_ERROR", told)
        record |= sent["properties"]
        return says(200, {"id": where[2], "properties": record, "archived": False})

    def _error(self, status: int, category: str, message: str = "") -> Answer:
        told = {"status": "error", "message": message, "correlationId": "x", "category": category}
        return says(status, told)


class Salesforce(Crm):
    """PATCH /services/data/vNN.0/sobjects/{object}/{id}, by a token of the client credentials flow.

    The token's answer does not say how long it lasts. Errors are a list; a text that is too long is refused
    (STRING_TOO_LONG): REST API Developer Guide, "Update a Record" and "Status Codes and Error Responses",
    https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/ (264.0, seen 2026-11).
    """

    def __call__(self, received: Received) -> Answer:  # one for each thing that it checks
        assert self.tokens
        if received.path == self.tokens.path:
            told = {"error": "invalid_client", "error_description": "invalid client credentials"}
            return self.tokens.answer(received, says(400, told))
        where = re.fullmatch(r"/services/data/v\d\d\.0/sobjects/(\w+)/(\w+)", received.path)
        if not self.has_token(received):
            return self._error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if received.method != "PATCH" or not where or not is_json(received):
            return self._error(405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed.")
        record = self.records.get((where[1], where[2]))
        if record is None:
            return self._error(404, "NOT_FOUND", "The requested resource does not exist")
        if flaw := self.flaw(received.json):
            codes = {
                "unknown": "INVALID_FIELD",
                "type": "JSON_PARSER_ERROR",
                "length": "STRING_TOO_LONG",
            }
            return self._error(400, codes[flaw[1]], f"{flaw[0]}: {flaw[1]}")
        record |= received.json
        return says(204)

    def _error(self, status: int, code: str, message: str) -> Answer:
        return says(status, [{"message": message, "errorCode": code}])


class Dataverse(Crm):
    """PATCH /api/data/v9.2/{table}({GUID}), by a token of Microsoft Entra.

    Without `If-Match: *`, a row that does not exist is created; with it, the answer is 404:
    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
    (seen 2026-11), "Basic update" and "Prevent create in upsert". A text that is too long is a 400 with the
    code 0x80044331.
    """

    def __call__(self, received: Received) -> Answer:  # noqa: PLR0911  # one for each thing that it checks
        assert self.tokens
        if received.path == self.tokens.path:
            return self.tokens.answer(received, says(401, {"error": "invalid_client"}))
        where = re.fullmatch(rf"/api/data/v9\.2/(accounts|opportunities)\(({GUID})\)", received.path)
        if not self.has_token(received):
            return says(401)
        if received.method != "PATCH" or not where:
            return self._error(400, "0x8006088a", "Resource not found for the segment.")
        if not is_json(received) or received.headers.get("odata-version") != "4.0":
            return self._error(400, "0x0", "The headers are not those of OData 4.0.")
        key = where[1], where[2]
        if received.headers.get("if-match") == "*" and key not in self.records:
            return self._error(404, "0x80040217", f"Entity with Id = {where[2]} Does Not Exist")
        if flaw := self.flaw(received.json):
            codes = {"unknown": "0x80048d19", "type": "0x80048d19", "length": "0x80044331"}
            return self._error(400, codes[flaw[1]], f"{flaw[0]}: {flaw[1]}")
        self.records.setdefault(key, {}).update(received.json)
        return says(204)

    def _error(self, status: int, code: str, message: str) -> Answer:
        return says(status, {"error": {"code": code, "message": message}})


class Odoo(Crm):
    """POST /json/2/{model}/write: {"ids": [number], "vals": {…}}, by an API key as bearer token.

    The database is in X-Odoo-Database. An empty text is false in the record, and an empty number 0:
    https://www.odoo.com/documentation/19.0/developer/reference/external_api.html (19.0, seen 2026-11).
    """

    def __call__(self, received: Received) -> Answer:  # noqa: PLR0911  # one for each thing that it checks
        where = re.fullmatch(r"/json/2/([a-z.]+)/(\w+)", received.path)
        if not self.has_token(received):
            return self._error(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        if received.headers.get("x-odoo-database") != self.secrets["database"]:
            return self._error(404, "werkzeug.exceptions.NotFound", "no such database")
        if received.method != "POST" or not where or where[2] != "write" or not is_json(received):
            return self._error(404, "werkzeug.exceptions.NotFound", "no such model or method")
        sent = received.json
        if set(sent) != {"ids", "vals"} or not all(type(one) is int for one in sent["ids"]):
            return self._error(422, "werkzeug.exceptions.UnprocessableEntity", "missing a required argument")
        if flaw := self.flaw(sent["vals"]):
            return self._error(422, "builtins.ValueError", f"Invalid field {flaw[0]!r} in {where[1]!r}")
        keys = [(where[1], str(one)) for one in sent["ids"]]
        if missing := [key for key in keys if key not in self.records]:
            return self._error(404, "odoo.exceptions.MissingError", f"Record does not exist: {missing}")
        empty = {name: 0.0 if kind is float else False for name, kind in self.fields.items()}
        for key in keys:
            self.records[key] |= {n: empty[n] if v is None else v for n, v in sent["vals"].items()}
        return 200, JSON, "true"

    def _error(self, status: int, name: str, message: str) -> Answer:
        return says(status, {"name": name, "message": message, "arguments": [], "context": {}, "debug": ""})


class Pipedrive(Crm):
    """PATCH /api/v2/{organizations|deals}/{id}: {"custom_fields": {key of 40 characters: value}}.

    By x-api-token. Version 2 takes no text for a number, and null empties a field:
    https://pipedrive.readme.io/docs/pipedrive-api-v2-migration-guide (seen 2026-11).
    """

    def __call__(self, received: Received) -> Answer:  # one for each thing that it checks
        where = re.fullmatch(r"/api/v2/(organizations|deals)/(\d+)", received.path)
        if received.headers.get("x-api-token") != self.secrets["token"]:
            return says(401, {"success": False, "error": "unauthorized access", "errorCode": 401})
        if received.method != "PATCH" or not where or not is_json(received):
            return says(404, {"success": False, "error": "not found"})
        record = self.records.get((where[1], where[2]))
        if record is None:
            return says(404, {"success": False, "error": f"{where[1]} not found", "code": "ERR_NOT_FOUND"})
        sent = received.json
        custom = sent.get("custom_fields", {})
        flaw = self.flaw(custom)
        if set(sent) != {"custom_fields"} or flaw or not all(re.fullmatch("[0-9a-f]{40}", k) for k in custom):
            told = {"success": False, "code": "ERR_SCHEMA_VALIDATION_FAILED", "error": str(flaw)}
            return says(400, told)
        record |= custom
        return says(200, {"success": True, "data": {"id": int(where[2]), "custom_fields": record}})


@dataclass
class Zoho(Crm):
    """PUT /crm/v8/{module}/{id}: {"data": [{…}], "trigger": […]}, with the scheme Zoho-oauthtoken.

    An update without `trigger` starts the workflows of the module, and one with an empty list none:
    https://www.zoho.com/crm/developer/docs/api/v8/update-records.html. The token comes from a refresh token;
    a refusal has the status 200: https://www.zoho.com/accounts/protocol/oauth/self-client/
    authorization-code-flow.html (both seen 2026-11).
    """

    workflows_started: int = 0

    def __call__(self, received: Received) -> Answer:  # one for each thing that it checks
        assert self.tokens
        if received.path == self.tokens.path:
            return self.tokens.answer(received, says(200, {"error": "invalid_code"}))
        where = re.fullmatch(r"/crm/v8/(Accounts|Deals)/(\d+)", received.path)
        if not self.has_token(received, "Zoho-oauthtoken"):
            return self._error(401, "INVALID_TOKEN", "invalid oauth token")
        if received.method != "PUT" or not where or not is_json(received):
            return self._error(404, "INVALID_URL_PATTERN", "Please check if the URL is correct")
        record = self.records.get((where[1], where[2]))
        sent = received.json
        if record is None or len(sent["data"]) != 1:
            return says(
                400, {"data": [{"code": "INVALID_DATA", "message": "the id given seems to be invalid"}]}
            )
        if flaw := self.flaw(sent["data"][0]):
            return says(400, {"data": [{"code": "INVALID_DATA", "details": {"api_name": flaw[0]}}]})
        self.workflows_started += "workflow" in sent.get("trigger", ["workflow"])
        record |= sent["data"][0]
        told = {"code": "SUCCESS", "details": {"id": where[2]}, "message": "record updated"}
        return says(200, {"data": [told | {"status": "success"}]})

    def _error(self, status: int, code: str, message: str) -> Answer:
        return says(status, {"code": code, "details": {}, "message": message, "status": "error"})


class Twenty(Crm):
    """PATCH /rest/{objects}/{UUID} with the fields of the record, by an API key as bearer token.

    https://docs.twenty.com/developers/extend/api (seen 2026-11).
    """

    def __call__(self, received: Received) -> Answer:  # one for each thing that it checks
        where = re.fullmatch(rf"/rest/(companies|opportunities)/({GUID})", received.path)
        if not self.has_token(received):
            return self._error(401, "UNAUTHENTICATED")
        if received.method != "PATCH" or not where or not is_json(received):
            return self._error(400, "BAD_REQUEST")
        record = self.records.get((where[1], where[2]))
        if record is None:
            return self._error(404, "Record not found")
        if flaw := self.flaw(received.json):
            return self._error(400, f"Object company doesn't have any {flaw[0]!r} field.")
        record |= received.json
        return says(200, {"data": {"updateOne": {"id": where[2], **record}}})

    def _error(self, status: int, message: str) -> Answer:
        return says(status, {"statusCode": status, "error": "Error", "messages": [message]})


class EspoCrm(Crm):
    """PUT /api/v1/{entity type}/{id} with the fields of the record, by X-Api-Key.

    Fields that an administrator added have names that begin with c. The reason of a refusal is in a header:
    https://docs.espocrm.com/development/api/ and /development/api/crud/ (version 9, seen 2026-11).
    """

    def __call__(self, received: Received) -> Answer:  # one for each thing that it checks
        where = re.fullmatch(r"/api/v1/(Account|Opportunity)/([0-9a-z]{17})", received.path)
        if received.headers.get("x-api-key") != self.secrets["token"]:
            return self._error(401, "Unauthorized")
        if received.method != "PUT" or not where or not is_json(received):
            return self._error(404, "Not Found")
        record = self.records.get((where[1], where[2]))
        if record is None:
            return self._error(404, "Record does not exist")
        if flaw := self.flaw(received.json):
            return self._error(400, f"validationFailure: {flaw[0]}")
        record |= received.json
        return says(200, {"id": where[2], **record})

    def _error(self, status: int, reason: str) -> Answer:
        return status, JSON | {"X-Status-Reason": reason}, ""
