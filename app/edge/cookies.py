"""The cookie of a browser that is signed in with an API key.

The cookie names the key, so it works as long as the key does. It is encrypted and authenticated with a key
that is derived from the encryption key, so every process can read it, and access to the database alone
is not enough to make one.
"""

import base64
import secrets
from dataclasses import dataclass
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from fastapi import Request, Response
from pydantic import TypeAdapter

from app.encryption.service import Cipher
from app.problems import NO_ENCRYPTION_KEY, Problem

PURPOSE = b"prospect-fit sign-in cookie"
# A person signs in again after this time.
MAX_AGE_SECONDS = 30 * 24 * 3600
FORM_TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser that is signed in: the API key, the person who uses it, and the token of its forms."""

    key_id: UUID
    actor: str
    form_token: str

    @classmethod
    def with_new_token(cls, key_id: UUID, actor: str) -> "SignedIn":
        """Return a sign-in with a new form token."""
        return cls(key_id, actor, secrets.token_urlsafe(FORM_TOKEN_BYTES))


CONTENT = TypeAdapter(SignedIn)


class SignInCookies:
    """Writes and reads the cookie.

    Args:
        is_secure: whether browsers reach the service by https only. The cookie is not sent over http then.
        path: the path of the service behind its proxy, or "".
    """

    def __init__(self, cipher: Cipher, *, is_secure: bool, path: str = "") -> None:
        self._cipher = cipher
        self._is_secure = is_secure
        self._path = path + "/"
        self.name = "__Secure-prospect-fit" if is_secure else "prospect-fit"

    def set(self, response: Response, signed_in: SignedIn) -> None:
        """Add the cookie to a response.

        Raises:
            Problem: NO_ENCRYPTION_KEY.
        """
        token = self._fernet().encrypt(CONTENT.dump_json(signed_in)).decode().rstrip("=")
        response.set_cookie(
            self.name,
            token,
            max_age=MAX_AGE_SECONDS,
            path=self._path,
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )

    def delete(self, response: Response) -> None:
        """Let the browser delete the cookie."""
        response.delete_cookie(self.name, path=self._path, secure=self._is_secure, httponly=True)

    def read(self, request: Request) -> SignedIn | None:
        """Return what the cookie of a request says; None if it has none, or one that is not valid."""
        token = request.cookies.get(self.name)
        if not token:
            return None
        try:
            return CONTENT.validate_json(self._fernet().decrypt(token + "===", MAX_AGE_SECONDS))
        except (InvalidToken, ValueError, Problem):
            return None

    def _fernet(self) -> MultiFernet:
        keys = self._cipher.derived_keys(PURPOSE)
        if not keys:
            raise Problem(NO_ENCRYPTION_KEY, "A sign-in needs it, because it encrypts the cookie.")
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
