"""HubSpot's signature of a request, version 3: who does not know the secret cannot make it."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from app.problems import BAD_SIGNATURE, Problem

# HubSpot's own limit. As far in the future one is as bad: it could be sent again for ever.
MAX_SIGNATURE_AGE = timedelta(minutes=5)
# No zero before it: with one, the last digit of a payload could be taken for the first of the time.
MILLISECONDS = re.compile("[1-9][0-9]{0,14}")
# What HubSpot signs of these characters is themselves, however they are written in the address.
UNRESERVED = {f"%{ord(character):02X}": character for character in ":/?@!$'()*,;"}
ENCODED_UNRESERVED = re.compile("|".join(UNRESERVED), re.IGNORECASE)


def check_signature(
    secret: str, uri: str, body: bytes, signature: str | None, sent_at: str | None, now: datetime
) -> None:
    """Raises BAD_SIGNATURE unless `signature` is what HubSpot makes for a POST of `body` to `uri`.

    `sent_at` is HubSpot's time of the request in milliseconds since 1970, which is signed along with it.
    """
    if not signature or not sent_at:
        raise bad_signature(
            "X-HubSpot-Signature-v3 or X-HubSpot-Request-Timestamp is missing: this intake takes signed "
            "payloads only."
        )
    plain = ENCODED_UNRESERVED.sub(lambda found: UNRESERVED[found[0].upper()], uri)
    signed = f"POST{plain}".encode() + body + sent_at.encode()
    made = base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))
    if not MILLISECONDS.fullmatch(sent_at) or not hmac.compare_digest(made, signature.encode()):
        raise bad_signature("The signature is another than this secret makes for this address and payload.")
    age = now - datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=int(sent_at))
    if age > MAX_SIGNATURE_AGE:
        raise bad_signature("The payload was signed more than 5 minutes ago.")
    if age < -MAX_SIGNATURE_AGE:
        raise bad_signature("The payload was signed more than 5 minutes ahead of this service's time.")


def bad_signature(detail: str) -> Problem:
    """A BAD_SIGNATURE problem."""
    return Problem(BAD_SIGNATURE, detail)
