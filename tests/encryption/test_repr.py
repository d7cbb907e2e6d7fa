"""What a traceback, a debugger or a log could show of an object does not contain its secret."""

import pytest
from pydantic import ValidationError

from app.edge.service import WriteResult
from app.inbound.intake.schemas import IntakeChange, NewIntake
from app.keys.schemas import KeyCreated
from app.schemas import Out
from app.webhooks.record_updates.message import OutgoingRequest
from app.webhooks.record_updates.schemas import ClientCredentials, Credential, FixedToken, RecordUpdateIn
from app.webhooks.schemas import NewWebhook, SecretRotation
from tests.conftest import ENCRYPTION_KEY, settings_for
from tests.encryption.conftest import CLIENT_SECRET, HUBSPOT, MAPPING, RECORD, SIGNING, TOKEN
from tests.inbound.intake.calls import by_hubspot

CREDENTIALS = ClientCredentials(
    token_url="https://a.test", client_id="us", client_secret=CLIENT_SECRET, refresh_token=CLIENT_SECRET
)
SHOWN = {
    "webhook": (NewWebhook(url="https://a.test", secret=SIGNING), SIGNING),
    "rotation": (SecretRotation(secret=SIGNING), SIGNING),
    "token": (RecordUpdateIn(**RECORD, token=FixedToken(token=TOKEN)), TOKEN),
    "header": (
        RecordUpdateIn(**RECORD, token=FixedToken(token="t"), headers={"X-Key": TOKEN}),
        TOKEN,
    ),
    "credential": (Credential(secret=CLIENT_SECRET, headers={"X-Key": CLIENT_SECRET}), CLIENT_SECRET),
    "credentials": (RecordUpdateIn(**RECORD, client_credentials=CREDENTIALS), CLIENT_SECRET),
    "request with a token": (OutgoingRequest("POST", "https://a.test", b"", token=TOKEN), TOKEN),
    "request with a header": (
        OutgoingRequest("POST", "https://a.test", b"", secret_headers={"X-Key": TOKEN}),
        TOKEN,
    ),
    "request": (
        OutgoingRequest("POST", "https://a.test", b"", client_credentials=CREDENTIALS),
        CLIENT_SECRET,
    ),
    "intake": (NewIntake(name="HubSpot", mapping=MAPPING, signature=by_hubspot(HUBSPOT)), HUBSPOT),
    "change of an intake": (IntakeChange(signature=by_hubspot(HUBSPOT)), HUBSPOT),
    "API key": (KeyCreated.model_construct(key=SIGNING), SIGNING),
    "response": (WriteResult(Out(), 201, SIGNING), SIGNING),
    "settings": (settings_for("postgresql://127.0.0.1:1/none"), ENCRYPTION_KEY),
}


@pytest.mark.parametrize("what", SHOWN)
def test_no_object_shows_its_secret(what: str) -> None:
    shown, secret = SHOWN[what]
    assert secret not in repr(shown)
    assert secret not in str(shown)


def test_an_error_of_validation_does_not_show_what_was_sent() -> None:
    with pytest.raises(ValidationError) as refused:
        NewWebhook(url="https://a.test", secret=f"{SIGNING}!")
    assert SIGNING not in str(refused.value)
