"""Encrypt and decrypt secrets, and change the encryption key.

An encrypted secret is `enc:`, the id of its key, `:`, and the base64 of a random nonce and the ciphertext of
AES-256-GCM. The kind of the secret and the id of its row are authenticated with it, so an encrypted secret
that is copied to another row cannot be decrypted.
"""

import base64
import hashlib
import hmac
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlmodel import update

from app.db import Database, Transaction, insert_if_new, lock_table, sqlite_file
from app.encryption.files import WrongKey, key_file_of, new_key, read_key_file, write_key_file
from app.encryption.queries import (
    any_encrypted,
    encrypted_columns,
    key_id_of_database,
    locked_key_id,
    shared_key_id,
)
from app.encryption.tables import ENCRYPTED_PREFIX, NamedKey, SecretKind
from app.problems import NO_ENCRYPTION_KEY, WRONG_ENCRYPTION_KEY, Problem
from app.settings import Settings, parse_encryption_keys

log = logging.getLogger(__name__)
SETTING = "PROSPECT_FIT_ENCRYPTION_KEY"
KEY_ID_LABEL = b"prospect-fit encryption key"
KEY_ID_LENGTH = 16
NONCE_BYTES = 12
LOST_SECRET_BYTES = 32
RETRY_SECONDS = 60


class Cipher:
    """The encryption keys of this process: those of the setting, or else of the key file beside the database.

    The database names the key that encrypts. If this process does not have it, the key file is read again,
    because another process may have rotated the key. Keys that were read once stay available for decryption.

    Args:
        setting: the keys in the setting, if it is set.
        file: the key file of an SQLite database.
    """

    def __init__(self, setting: str | None, file: Path | None) -> None:
        self.file = None if setting else file
        self._keys = parse_encryption_keys(setting or "")
        self._loaded: dict[str, AESGCM] = {}
        self.load()

    def load(self) -> None:
        """Read the key file again, if this process uses one.

        Raises:
            WrongKey: if the file is damaged.
        """
        if self.file:
            self._keys = read_key_file(self.file)
        self._loaded = self._loaded | {key_id_of(key): AESGCM(key) for key in self._keys}

    @property
    def key_ids(self) -> list[str]:
        """The ids of the keys in the setting or in the file, in their order."""
        return [key_id_of(key) for key in self._keys]

    def derived_keys(self, purpose: bytes) -> list[bytes]:
        """Return a key of 32 bytes for another purpose, derived from each encryption key, in their order."""
        return [hmac.digest(key, purpose, "sha256") for key in self._keys]

    def has(self, key_id: str | None) -> bool:
        """Return whether this process has the key with an id."""
        return key_id is not None and self._find(key_id) is not None

    def encrypt(self, tx: Transaction, kind: SecretKind, row_id: UUID, secret: str) -> str:
        """Encrypt the secret of a row with the key that the database names.

        Call this before the row or its table is locked: a rotation locks in the same order.

        Raises:
            Problem: NO_ENCRYPTION_KEY or WRONG_ENCRYPTION_KEY.
        """
        named = shared_key_id(tx)
        key_id = named if named and self.has(named) else self._name_first_key(tx)
        return self.encrypt_with(key_id, kind, row_id, secret)

    def encrypt_with(self, key_id: str, kind: SecretKind, row_id: UUID, secret: str) -> str:
        """Encrypt the secret of a row with one of the keys of this process."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._loaded[key_id].encrypt(nonce, secret.encode(), _context(kind, row_id))
        return f"{ENCRYPTED_PREFIX}{key_id}:{base64.b64encode(sealed).decode()}"

    def decrypt(self, kind: SecretKind, row_id: UUID, stored: str) -> str:
        """Decrypt the secret of a row.

        Raises:
            Problem: WRONG_ENCRYPTION_KEY.
        """
        key_id, _, encoded = stored.removeprefix(ENCRYPTED_PREFIX).partition(":")
        loaded = self._find(key_id)
        if loaded is None:
            raise _wrong_key(
                f"The {kind} of {row_id} is encrypted with a key that this process does not have."
            )
        try:
            sealed = base64.b64decode(encoded)
            nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            return loaded.decrypt(nonce, ciphertext, _context(kind, row_id)).decode()
        except (InvalidTag, ValueError):
            raise _wrong_key(
                f"The encrypted {kind} of {row_id} was changed, or copied from another row."
            ) from None

    def matches(self, kind: SecretKind, row_id: UUID, stored: str | None, secret: str | None) -> bool:
        """Return whether a stored secret is equal to a secret; None stands for no secret.

        A stored secret that cannot be decrypted is equal to no secret, so that it can be replaced.
        """
        if stored is None or secret is None:
            return stored is secret
        try:
            return self.decrypt(kind, row_id, stored) == secret
        except Problem:
            return False

    def new_key_id(self, current: str | None) -> str:
        """Return the id of the key that replaces the current one in a rotation.

        In a key file, that is a new key, or the first one if an earlier rotation did not finish. The file
        then has both keys.

        Raises:
            WrongKey: if the setting has no new key in front of the current one.
        """
        self.load()
        current = current or next(iter(self.key_ids), None)
        if not self.key_ids or self.key_ids[0] == current:
            if self.file is None:
                raise WrongKey(
                    f"There is no new key. Put one before the current one in {SETTING}, separated by a "
                    "comma, and restart every process with both keys. Then run this again."
                )
            self._write_file([new_key(), *(key for key in self._keys if key_id_of(key) == current)])
        return self.key_ids[0]

    def create_file(self) -> None:
        """Create the key file with a new key, unless there is one. The caller has the database locked."""
        self.load()
        if self.file and not self._keys:
            self._write_file([new_key()])

    def remove_other_keys(self, tx: Transaction) -> None:
        """Remove every key from the key file, except the one that the database names."""
        named = locked_key_id(tx)
        self.load()
        if self.file and self.has(named):
            self._write_file([key for key in self._keys if key_id_of(key) == named])

    def _write_file(self, keys: list[bytes]) -> None:
        assert self.file is not None
        write_key_file(self.file, keys)
        self.load()

    def _find(self, key_id: str) -> AESGCM | None:
        if key_id not in self._loaded:
            # A file that is damaged while the service runs has no key. The next start names the reason.
            with suppress(WrongKey, OSError):
                self.load()
        return self._loaded.get(key_id)

    def _name_first_key(self, tx: Transaction) -> str:
        """Let the database name the first key of this process, unless another key encrypts already."""
        lock_table(tx, NamedKey)
        named = locked_key_id(tx)
        if named and self.has(named):
            return named
        if not self.key_ids:
            raise Problem(NO_ENCRYPTION_KEY, "A secret must not be stored without encryption.")
        if any_encrypted(tx):
            raise _wrong_key("The process does not have the key of the secrets in the database.")
        _name_key(tx, self.key_ids[0])
        return self.key_ids[0]


def open_cipher(settings: Settings) -> Cipher:
    """Load the encryption keys of the settings, or those in the key file beside an SQLite database.

    Raises:
        WrongKey: if the key file is damaged.
    """
    setting = settings.encryption_key.get_secret_value() if settings.encryption_key else None
    database_file = sqlite_file.path_of(settings.database_url.get_secret_value())
    return Cipher(setting, key_file_of(database_file) if database_file else None)


def key_id_of(key: bytes) -> str:
    """Return the id of a key. The key cannot be computed from it."""
    return hashlib.sha256(KEY_ID_LABEL + key).hexdigest()[:KEY_ID_LENGTH]


def prepare_key(tx: Transaction, cipher: Cipher) -> None:
    """Create the key file of a new SQLite database, and check the key.

    Raises:
        WrongKey: if the database has secrets that this process cannot decrypt.
    """
    if not any_encrypted(tx):
        cipher.create_file()
    check_key(tx, cipher)


def check_key(tx: Transaction, cipher: Cipher) -> None:
    """Check that this process has the key of the secrets in the database, if there are any.

    Raises:
        WrongKey: if it does not have it.
    """
    if not any_encrypted(tx) or cipher.has(key_id_of_database(tx)):
        return
    if cipher.file and not cipher.key_ids:
        found = f"there is no key file {cipher.file}. Copy it from where the database was before"
    elif cipher.file:
        found = f"the key file {cipher.file} has another key. Restore the right file"
    elif cipher.key_ids:
        found = f"{SETTING} is another key. Set it to the key of this database"
    else:
        found = f"{SETTING} is not set. Set it to the key of this database"
    raise WrongKey(
        f"This database has encrypted secrets, and {found}. If the key is lost, run 'prospect-fit secrets "
        "forget'; docs/operations.md explains the consequences."
    )


def rotate_key(database: Database, cipher: Cipher) -> int:
    """Encrypt all secrets with a new key, in one transaction, and return their number.

    If the process is killed at any moment, the key file still has the key of the database.

    Raises:
        WrongKey: if this process does not have the current key, or if the setting has no new one.
    """

    def rotate(tx: Transaction) -> int:
        lock_table(tx, NamedKey)
        current = locked_key_id(tx)
        check_key(tx, cipher)
        return _encrypt_all(tx, cipher, cipher.new_key_id(current), cipher.decrypt)

    count = database.write_sync(rotate)
    database.write_sync(cipher.remove_other_keys)
    # The journal still has the secrets, encrypted with the old key.
    database.truncate_wal_sync()
    return count


def forget_secrets(tx: Transaction, cipher: Cipher) -> int:
    """Replace all secrets with random ones after their key was lost, and return their number.

    Raises:
        WrongKey: if the key is not lost, or if there is no new key.
    """
    lock_table(tx, NamedKey)
    if not any_encrypted(tx) or cipher.has(locked_key_id(tx)):
        raise WrongKey("The secrets in this database can be decrypted: the key is not lost.")
    cipher.create_file()
    if not cipher.key_ids:
        raise WrongKey(f"Set {SETTING} to a new key first: 'openssl rand -base64 32' prints one.")
    return _encrypt_all(tx, cipher, cipher.key_ids[0], _random_secret)


def _encrypt_all(
    tx: Transaction, cipher: Cipher, key_id: str, secret_of: Callable[[SecretKind, UUID, str], str]
) -> int:
    """Encrypt every secret in the database with a key, and let the database name this key."""
    count = 0
    for column, kind in encrypted_columns():
        row_id = column.table.c.id
        rows = select(row_id, column).where(column.is_not(None)).with_for_update(key_share=True)
        for found_id, stored in tx.db.execute(rows).all():
            encrypted = cipher.encrypt_with(key_id, kind, found_id, secret_of(kind, found_id, stored))
            tx.db.execute(column.table.update().where(row_id == found_id).values({column.name: encrypted}))
            count += 1
    _name_key(tx, key_id)
    return count


def _name_key(tx: Transaction, key_id: str) -> None:
    values = {"key_id": key_id, "named_at": tx.at}
    if not insert_if_new(tx, NamedKey, {"id": 1, **values}):
        tx.db.exec(update(NamedKey).values(**values))


def _random_secret(*_: object) -> str:
    return base64.b64encode(os.urandom(LOST_SECRET_BYTES)).decode()


def _context(kind: SecretKind, row_id: UUID) -> bytes:
    return f"{kind} {row_id}".encode()


def _wrong_key(detail: str) -> Problem:
    log.error("%s", detail)
    return Problem(WRONG_ENCRYPTION_KEY, detail, headers={"Retry-After": str(RETRY_SECONDS)})
