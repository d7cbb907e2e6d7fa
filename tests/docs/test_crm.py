"""The pages for CRMs: every command run as it stands, every script against a stand-in of its CRM."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from tempfile import TemporaryDirectory

import pytest

from app.webhooks.queries import webhook_templates
from tests.api.calls import ok
from tests.conftest import ADMIN_KEY, ROOT, needs, serving, settings_for
from tests.docs.test_authoring import parsed
from tools.reference.calls import FakeReceivers

PAGES = ROOT / "docs" / "crm"
URL = "http://127.0.0.1:8000"
CRMS = {"dataverse", "espocrm", "hubspot", "odoo", "pipedrive", "salesforce", "twenty", "zoho"}


@pytest.fixture(scope="module")
def service(new_database):
    """A service of its own: aliases of a source would be in other tests' way."""
    with serving(settings_for(new_database()), sender=FakeReceivers()) as running:
        yield running


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text("utf-8"), re.DOTALL)


def told_by(page, service):
    """What every command of a page says."""
    needs("curl")
    environment = {"PATH": "/usr/bin:/bin", "KEY": ADMIN_KEY}
    with TemporaryDirectory() as folder:
        for block in blocks(page, "sh"):
            script = block.replace(URL, service.url)
            done = subprocess.run(
                ["bash", "-euc", script],
                capture_output=True,
                text=True,
                check=True,
                env=environment,
                cwd=folder,
            )
            yield from parsed(done.stdout)


def written_as(name, hook):
    """Whether a page has a webhook made as the template of that name does."""
    (made,) = [one.webhook for one in webhook_templates().items if one.name == name]
    update = {
        key: value for key, value in made["record_update"].items() if key in ("source", "fields", "values")
    }
    written = hook["record_update"] | {
        "fields": dict(map(without_defaults, hook["record_update"]["fields"].items()))
    }
    return {key: hook[key] for key in ("name", "url", "types", "question_set")} == {
        key: made[key] for key in ("name", "url", "types", "question_set")
    } and {key: written[key] for key in update} == update


def without_defaults(entry):
    """A pointer and its figure, without what the template leaves out."""
    pointer, figure = entry
    if isinstance(figure, dict):
        figure = {key: value for key, value in figure.items() if value is not None}
    return pointer, figure


def test_what_all_share(service):
    (
        key,
        qualified,
        newest,
        version,
        aliases,
        rule,
        fit,
        events,
        bad,
        imported,
        done,
        tried,
        failed,
        replayed,
        ready,
    ) = told_by("README.md", service)
    assert key["scopes"] == ["read", "write"]
    assert rule == {"source": "salesforce.account", "id_rule": "salesforce"}
    assert (qualified["rated"], qualified["ignored"]) == (3, [])
    assert list(newest["paths"]) == ["/v1/qualify/qualifying-a-sale"]
    assert list(version["paths"]) == ["/v1/qualify/qualifying-a-sale@1"]
    assert [one["means"] for one in aliases["aliases"]] == [2, 5, "saas"]
    assert fit["session_id"] == qualified["session_id"]
    assert [event["type"] for event in events["items"]] == ["score.changed"]
    assert (bad["line"], done["done"]) == (3, True)
    assert [one["created"] for one in (imported, done)] == [1, 1]
    assert (tried["status"], failed["items"], replayed) == (204, [], {"replayed": 0})
    assert {one["name"].partition("-")[0] for one in ready["items"]} == CRMS
    assert events["items"][0]["links"] == [{"source": "salesforce.account", "external_id": "0015g00000XyZ"}]


def test_salesforce(service):
    form, rule, qualified, aliases, hook, fit = told_by("salesforce-flow.md", service)
    assert rule["id_rule"] == "salesforce"
    assert [one["means"] for one in aliases["aliases"]] == ["lost", "won", None]
    assert written_as("salesforce-account", hook)
    assert form["openapi"].startswith("3.0.")
    assert (qualified["deal"], qualified["rated"], qualified["ignored"]) == ("0065g00000DeF", 3, [])
    assert fit["session_id"] == qualified["session_id"]


def test_hubspot(service):
    qualified, _, _, hook, fit = told_by("hubspot.md", service)
    assert written_as("hubspot-company", hook)
    assert fit["session_id"] == qualified["session_id"]
    assert (qualified["rated"], qualified["ignored"]) == (1, ["industry"])


def test_power_automate(service):
    form, qualified, _, record, (sample,), hook, whole, fit = told_by("power-automate.md", service)
    assert written_as("dataverse-account", record)
    assert (sample["type"], hook["types"]) == ("score.changed", ["score.changed"])
    host = service.url.removeprefix("http://")
    assert (form["swagger"], form["host"], form["schemes"]) == ("2.0", host, ["http"])
    assert whole["swagger"] == "2.0"
    assert (qualified["rated"], fit["session_id"]) == (2, qualified["session_id"])


def test_odoo(service):
    _, record, hook, qualified, fit = told_by("odoo.md", service)
    assert written_as("odoo-lead", record)
    assert hook["payload"] == "thin"
    assert (qualified["rated"], fit["session_id"]) == (2, qualified["session_id"])


def test_zapier_n8n_and_make(service):
    qualified, newest, samples, hook, page, fit = told_by("zapier-n8n-make.md", service)
    assert {one["type"] for one in samples} == set(hook["types"]) == {"indication.settled"}
    assert (qualified["rated"], fit["session_id"]) == (2, qualified["session_id"])
    assert newest[0]["session_id"] == qualified["session_id"]
    assert len(page["items"]) == 1


def test_other_crms(service):
    intakes, webhooks, aliases, qualified = told_by("other-crms.md", service)
    for names in ({one["name"] for one in intakes["items"]}, {one["name"] for one in webhooks["items"]}):
        assert {name.partition("-")[0] for name in names} >= CRMS
    # What comes in from a record and what goes back into it have the same source.
    sources = {one["webhook"]["record_update"]["source"] for one in webhooks["items"]}
    assert sources <= {one["mapping"]["source"] for one in intakes["items"]}
    assert [one["means"] for one in aliases["aliases"]] == [5, "saas"]
    assert (qualified["rated"], qualified["ignored"]) == (1, [])


def test_the_custom_code_of_hubspot(service, monkeypatch):
    """Called as HubSpot calls it: every property as text, and twice for one callback."""
    (code,) = blocks("hubspot.md", "python")
    monkeypatch.setenv("PROSPECT_FIT_KEY", ADMIN_KEY)
    made = {}
    exec(compile(code.replace(URL, service.url), "hubspot.md", "exec"), made)
    event = {
        "origin": {"portalId": 1},
        "object": {"objectId": 555, "objectType": "COMPANY"},
        "inputFields": {"name": "Hooli", "requirements": "4", "current_challenges": "5", "budget": ""},
        "callbackId": "ap-123-456-7-8",
    }
    first, again = made["main"](event), made["main"](event)
    assert first == again
    assert first["outputFields"]["indication"] == "undetermined"
    fit = ok(service.client.get("/v1/prospects/by-external-id/hubspot.company/555/fit"))
    assert (fit["revision"], fit["summary"]) == (1, first["outputFields"]["summary"])
    wrong = made["main"](event | {"inputFields": {"budget": "9"}, "callbackId": "ap-2"})
    assert wrong["outputFields"]["problem"].startswith("/budget: ")


class Leads:
    """The leads of an Odoo database, as its JSON-2 API shows them: an empty field is false."""

    def __init__(self):
        self.rows = {
            7: {"partner_name": "Azure", "x_studio_requirements": "4", "x_studio_budget": 3},
            8: {},
        }
        self.written = []

    def answer(self, path, body):
        if path == "/json/2/crm.lead/write":
            self.written.append(body)
            for lead in body["ids"]:
                self.rows[lead] |= body["vals"]
            return True
        assert (path, body["domain"]) == ("/json/2/crm.lead/search_read", [["type", "=", "opportunity"]])
        empty = dict.fromkeys(body["fields"], False)
        return [{"id": lead, **empty, **row} for lead, row in self.rows.items()]


@contextmanager
def odoo(leads: Leads) -> Iterator[str]:
    """Serve the leads as Odoo 19 does. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.headers["Authorization"] == "bearer 6578616d706c65"
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            answer = json.dumps(leads.answer(self.path, json.loads(sent))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.one_database
def test_the_script_for_odoo_writes_only_what_differs(service):
    _, script = blocks("odoo.md", "python")
    leads = Leads()
    with odoo(leads) as url:
        environment = os.environ | {
            "ODOO_URL": url,
            "ODOO_KEY": "6578616d706c65",
            "FIT_URL": service.url,
            "FIT_KEY": ADMIN_KEY,
        }
        for _ in range(2):
            subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    fit = ok(service.client.get("/v1/prospects/by-external-id/odoo.lead/7/fit"))
    values = {"x_studio_fit_indication": "undetermined", "x_studio_fit_summary": fit["summary"]}
    assert leads.written[0] == {"ids": [7], "vals": values}
    assert [body["ids"] for body in leads.written] == [[7], [8]]
    assert fit["revision"] == 1


class Lead(dict):
    """A lead in the code of an automation rule."""

    def write(self, values):
        self.update(values, writes=self.get("writes", 0) + 1)


@pytest.mark.one_database
def test_the_rule_for_odoo_writes_only_what_differs(service):
    """The code of the action, run with the payload of a webhook message, as Odoo runs it."""
    code, _ = blocks("odoo.md", "python")
    lead = Lead(x_studio_fit_indication=False, x_studio_fit_score=0.0)
    (sample,) = ok(service.client.get("/v1/webhook-samples?types=score.changed&limit=1"))
    ids = {"salesforce.account": "0015g", "odoo.lead": "7"}
    links = [{"source": source, "external_id": external_id} for source, external_id in ids.items()]
    payload = sample | {"data": sample["data"] | {"links": links, "indication": "fit", "score": 87.5}}

    class Model:
        @staticmethod
        def browse(ids):
            assert ids == [7]
            return [lead]

    for _ in range(2):
        exec(compile(code, "odoo.md", "exec"), {"payload": payload, "model": Model})
    assert lead == {"x_studio_fit_indication": "fit", "x_studio_fit_score": 87.5, "writes": 1}


def pipedrive(change_source):
    meta = {"action": "change", "entity": "organization", "entity_id": "9", "change_source": change_source}
    return {"meta": meta, "data": {"name": "Initech"}}


def dataverse(column):
    target = {"Attributes": [{"key": column, "value": 4}], "FormattedValues": []}
    return {
        "MessageName": "Update",
        "PrimaryEntityId": "6a9f4a1c-8f5e-ee11-8179-000d3a6b1c2d",
        "OperationCreatedOn": "/Date(1769850000000+0000)/",
        "InputParameters": [{"key": "Target", "value": target}],
    }


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("page", "template", "condition", "person", "service_itself"),
    [
        (
            "other-crms.md",
            "pipedrive-organization",
            {"/meta/change_source": {"equals": "app"}},
            pipedrive("app"),
            pipedrive("api"),
        ),
        (
            "other-crms.md",
            "espocrm-account",
            {"/cFitUpdateId": {"exists": False}},
            [{"id": "64a1", "cBudget": 4}],
            [{"id": "64a1", "cFitScore": 62.5, "cFitUpdateId": "01980000-0000-7000-8000-000000000003"}],
        ),
        (
            "power-automate.md",
            "dataverse-account",
            {"/InputParameters/Target/Attributes/new_fitupdateid": {"exists": False}},
            dataverse("new_budget"),
            dataverse("new_fitupdateid"),
        ),
    ],
)
def test_the_conditions_of_the_pages_skip_the_writes_of_the_service(
    service, page, template, condition, person, service_itself
):
    assert json.dumps(condition)[1:-1] in (PAGES / page).read_text("utf-8")
    templates = ok(service.client.get("/v1/intake-templates?question_set=qualifying-a-sale"))["items"]
    (mapping,) = [one["mapping"] for one in templates if one["name"] == template]
    mapping["when"] = (mapping["when"] or {}) | condition

    def skipped(payload):
        tried = {"question_set": "qualifying-a-sale", "mapping": mapping, "payload": payload, "partial": True}
        return [
            item["skipped"] for item in ok(service.client.post("/v1/intake-dry-run", json=tried))["items"]
        ]

    assert (skipped(person), skipped(service_itself)) == ([False], [True])
