"""Check the signature of a payload: HMAC-SHA256 with a secret that the sender and the intake share."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from app.inbound.forms.schemas import FIRST_MILLISECONDS
from app.inbound.intake.receipts.queries import MAX_SIGNATURE_AGE
from app.inbound.intake.schemas import SignatureRule
from app.problems import BAD_SIGNATURE, Problem

# No leading zero: a sender may sign the payload and the time as one text without a separator, so the last
# digit of a payload could otherwise be moved to the time.
TIMESTAMP_PATTERN = re.compile("[1-9][0-9]{0,14}")
SIGNED_PART = re.compile(r"\{(body|timestamp|url)\}")
# HubSpot signs these characters unencoded, even if they are percent-encoded in the URL.
UNRESERVED = {f"%{ord(character):02X}": character for character in ":/?@!$'()*,;"}
ENCODED_UNRESERVED = re.compile("|".join(UNRESERVED), re.IGNORECASE)


def check_signature(
    rule: SignatureRule, secret: str, url: str, body: bytes, headers: Mapping[str, str], now: datetime
) -> str | None:
    """Check that a payload has a valid signature by this rule, and return what identifies the signature.

    Returns None if the signature has no time: then it may occur again. `headers` finds a header in any case,
    `url` is the one that the sender called, and `now` is the current time. Raises BAD_SIGNATURE if a header
    is missing, or if the signature is wrong or was made more than 5 minutes before or after `now`.
    """
    signature, sent_at = headers.get(rule.header), ""
    if rule.timestamp_header is not None:
        sent_at = headers.get(rule.timestamp_header, "")
    if not signature or (rule.timestamp_header is not None and not sent_at):
        names = " or ".join(filter(None, (rule.header, rule.timestamp_header)))
        detail = f"The header {names} is missing: this intake accepts only signed payloads."
        raise Problem(BAD_SIGNATURE, detail)
    digest = hmac.digest(secret.encode(), _signed(rule, url, body, sent_at), hashlib.sha256)
    is_valid = hmac.compare_digest(_header_value(rule, digest), signature.encode())
    if not is_valid or (rule.timestamp_header and not TIMESTAMP_PATTERN.fullmatch(sent_at)):
        raise Problem(BAD_SIGNATURE, "The signature does not match the secret, the URL and the payload.")
    if rule.timestamp_header is None:
        return None
    _check_age(int(sent_at), now)
    return digest.hex()


def _signed(rule: SignatureRule, url: str, body: bytes, sent_at: str) -> bytes:
    """Return the text that the sender signed."""
    decoded_url = ENCODED_UNRESERVED.sub(lambda match: UNRESERVED[match[0].upper()], url)
    parts = {"body": body, "timestamp": sent_at.encode(), "url": decoded_url.encode()}
    # The odd parts are the names in braces.
    texts = SIGNED_PART.split(rule.signed)
    return b"".join(parts[text] if place % 2 else text.encode() for place, text in enumerate(texts))


def _header_value(rule: SignatureRule, digest: bytes) -> bytes:
    """Return the value that the header must have."""
    if rule.encoding == "base64":
        return rule.prefix.encode() + base64.b64encode(digest)
    text = (rule.prefix + digest.hex()).encode()
    return base64.b64encode(text) if rule.encoding == "hex_in_base64" else text


def _check_age(sent_at: int, now: datetime) -> None:
    """Raise BAD_SIGNATURE unless a number of seconds or milliseconds since 1970 is at most 5 minutes away."""
    passed = timedelta(milliseconds=sent_at if sent_at >= FIRST_MILLISECONDS else sent_at * 1000)
    age = now - datetime(1970, 1, 1, tzinfo=UTC) - passed
    if age > MAX_SIGNATURE_AGE:
        raise Problem(BAD_SIGNATURE, "The payload was signed more than 5 minutes ago.")
    if age < -MAX_SIGNATURE_AGE:
        raise Problem(
            BAD_SIGNATURE, "The payload was signed more than 5 minutes ahead of this service's clock."
        )
