"""The headers that limit what a browser does with a response."""

import base64
import hashlib

RawHeaders = list[tuple[bytes, bytes]]
# A page that loads files has policies of its own. All other responses load nothing.
SECURITY_HEADERS: RawHeaders = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
]


def with_security_headers(headers: RawHeaders) -> RawHeaders:
    """Add the headers that protect browsers to the headers of a response, unless it has its own."""
    own = {name for name, _ in headers}
    return [*headers, *(header for header in SECURITY_HEADERS if header[0] not in own)]


def page_policy(*inline_scripts: str) -> str:
    """Return the policy of a page that loads this service's files only, and runs these inline scripts."""
    scripts = " ".join(["'self'", *map(_hash_source, inline_scripts)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def picture_policy(inline_style: str) -> str:
    """Return the policy of an SVG document that loads nothing, and has this inline style sheet."""
    return (
        f"default-src 'none'; style-src {_hash_source(inline_style)}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash_source(inline: str) -> str:
    """Return what allows one inline script or style sheet in a policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"
