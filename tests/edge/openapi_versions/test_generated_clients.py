"""A client made from each description by OpenAPI Generator qualifies a prospect."""

import importlib
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ADMIN_KEY, serving, settings_for
from tests.edge.openapi_versions.conftest import VERSIONS

GENERATOR = Path(sys.executable).parent / "openapi-generator-cli"
# It runs for seconds: a compiler that optimises, and collectors with many threads, cost more than they save.
JAVA = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
WITHOUT = "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"


@pytest.fixture(scope="session", params=VERSIONS)
def generated(request, documents, tmp_path_factory) -> ModuleType:
    """The package that the generator makes of a description."""
    folder = tmp_path_factory.mktemp("client")
    described = folder / "openapi.json"
    described.write_text(json.dumps(documents[request.param]))
    name = f"client_{request.param.replace('.', '_')}"
    options = ["-g", "python", "-i", described, "-o", folder, "--package-name", name]
    made = subprocess.run(
        [GENERATOR, "generate", *options, f"--global-property={WITHOUT}"],
        env=os.environ | JAVA,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert "ERROR" not in made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """One on SQLite: to a client it is all the same."""
    with serving(settings_for(f"sqlite:///{tmp_path_factory.mktemp('service')}/test.db")) as running:
        yield running


@pytest.fixture
def calling(generated, service):
    """The generated package, and a client of it that calls the service with a key."""
    configured = generated.Configuration(host=service.url, api_key={"APIKeyHeader": ADMIN_KEY})
    with generated.ApiClient(configured) as client:
        yield generated, client


def test_a_prospect_is_qualified(calling, link):
    """Opened by what a CRM knows, answered, decided: typed fields both ways, dates and enums read."""
    package, client = calling
    sessions = package.SessionsApi(client)
    events = package.EventsApi(client)
    end = events.list_events(after="latest").cursor
    known = {"name": "Contoso", "attributes": {"employees": 120}, "ratings": {"budget": 4}}
    wanted = package.QualifyRequest.from_dict({**link, "question_set": "qualifying-a-sale", **known})
    opened = sessions.qualify(wanted, idempotency_key=link["external_id"])
    assert (opened.prospect_created, opened.session_opened, opened.revision) == (True, True, 1)
    assert (opened.score.indication, opened.score.settled) == ("undetermined", False)
    assert opened.score.next_questions[0].question == "trigger"
    assert sessions.qualify(wanted, idempotency_key=link["external_id"]) == opened

    rated = package.AnswerIn(question="goal", rating=5, rationale="said by the owner")
    unknown = package.AnswerIn(question="timeline", state="unknown")
    change = package.AnswersPatch(answers=[rated, unknown])
    answered = sessions.answer(opened.session_id, change, if_match=f'"{opened.revision}"')
    assert answered.revision == 2
    assert {answer.question: (answer.state, answer.rating) for answer in answered.answers} == {
        "budget": ("rated", 4),
        "goal": ("rated", 5),
        "timeline": ("unknown", None),
    }

    decision = package.NewDecision(decision="pursue", revision=answered.revision, actor="ana@example.com")
    decided = sessions.decide(opened.session_id, decision)
    assert (decided.decision.decision, decided.status) == ("pursue", "open")
    assert isinstance(decided.decision.decided_at, datetime)
    found = package.FitsApi(client).find_fit(link["source"], link["external_id"])
    assert (found.session_id, found.summary) == (opened.session_id, answered.score.summary)
    page = events.list_events(after=end, limit=200)
    told = [event.type for event in page.items if event.session_id == opened.session_id]
    answers = ["session.answered", "score.changed"]
    assert told == ["session.opened", *answers, *answers, "decision.recorded"]


def test_a_flat_form_is_sent(calling, link):
    package, client = calling
    form = package.Form(**link, additional_properties={"budget": 4, "goal": "5", "shoe_size": 43})
    answer = package.FlatFormsApi(client).qualify_by_form("qualifying-a-sale", form)
    assert (answer.rated, answer.ignored) == (2, ["shoe_size"])
    # 100 × (4 - 1) / (5 - 1); nothing that was rated is of the other side.
    assert answer.additional_properties == {"match_score": 75.0, "benefit_score": 100.0}


def test_a_problem_is_read_as_one(calling, link):
    package, client = calling
    wanted = package.QualifyRequest(**link, question_set="qualifying-a-sale", ratings={"budget": 9})
    with pytest.raises(package.exceptions.UnprocessableEntityException) as refused:
        package.SessionsApi(client).qualify(wanted)
    (error,) = json.loads(refused.value.body)["errors"]
    assert (error["pointer"], error["code"]) == ("/ratings/budget", "off_scale")
    assert refused.value.data.errors[0].pointer == error["pointer"]
