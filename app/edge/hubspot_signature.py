"""Check HubSpot's signature of a request, version 3, which is made with a shared secret."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from app.inbound.intake.queries import MAX_SIGNATURE_AGE
from app.problems import BAD_SIGNATURE, Problem

# No leading zero: the payload and the time are signed as one text, so the last digit of a payload could
# otherwise be moved to the time.
TIMESTAMP_PATTERN = re.compile("[1-9][0-9]{0,14}")
# HubSpot signs these characters unencoded, even if they are percent-encoded in the URL.
UNRESERVED = {f"%{ord(character):02X}": character for character in ":/?@!$'()*,;"}
ENCODED_UNRESERVED = re.compile("|".join(UNRESERVED), re.IGNORECASE)


def check_signature(
    secret: str, uri: str, body: bytes, signature: str | None, sent_at: str | None, now: datetime
) -> None:
    """Check that `signature` is HubSpot's signature of a POST of `body` to `uri`, at most 5 minutes old.

    `sent_at` is the signed time of the request, in milliseconds since 1970 (UTC), from HubSpot's header;
    `now` is the current time. Raises BAD_SIGNATURE if a header is missing, or if the signature is wrong or
    too old.
    """
    if not signature or not sent_at:
        raise Problem(
            BAD_SIGNATURE,
            "The header X-HubSpot-Signature-v3 or X-HubSpot-Request-Timestamp is missing: this intake "
            "accepts only signed payloads.",
        )
    decoded_uri = ENCODED_UNRESERVED.sub(lambda match: UNRESERVED[match[0].upper()], uri)
    signed = f"POST{decoded_uri}".encode() + body + sent_at.encode()
    expected = base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))
    if not TIMESTAMP_PATTERN.fullmatch(sent_at) or not hmac.compare_digest(expected, signature.encode()):
        raise Problem(BAD_SIGNATURE, "The signature does not match the secret, the URL and the payload.")
    age = now - datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=int(sent_at))
    if age > MAX_SIGNATURE_AGE:
        raise Problem(BAD_SIGNATURE, "The payload was signed more than 5 minutes ago.")
    if age < -MAX_SIGNATURE_AGE:
        raise Problem(
            BAD_SIGNATURE, "The payload was signed more than 5 minutes ahead of this service's clock."
        )
