"""Settings: `PROSPECT_FIT_*` environment variables, or files that `PROSPECT_FIT_*_FILE` variables name."""

import base64
import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "PROSPECT_FIT_"
PUBLIC_URL_PATTERN = re.compile(
    r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[\w.~%-]+)*/?", re.ASCII
)


ENCRYPTION_KEY_BYTES = 32


def parse_encryption_keys(text: str) -> list[bytes]:
    """Return the encryption keys in a text: base64, separated by commas or white space.

    Raises:
        ValueError: if one of them is not the base64 of 32 bytes.
    """
    words = filter(None, re.split(r"[\s,]+", text))
    keys = [
        base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True)  # of both alphabets
        for word in words
    ]
    if any(len(key) != ENCRYPTION_KEY_BYTES for key in keys):
        raise ValueError("a key has the wrong length")
    return keys


class Settings(BaseSettings):
    """All settings. Each is also an option of `prospect-fit serve`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: Annotated[
        SecretStr,
        Field(
            validation_alias=AliasChoices("database_url", PREFIX + "DATABASE_URL", "DATABASE_URL"),
            description="The database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
        ),
    ] = SecretStr("sqlite:///data/prospect_fit.db")
    admin_key: Annotated[
        SecretStr | None,
        Field(
            description="The first API key, with every scope: 20 to 200 characters. Without it, the first "
            "start creates a key and shows it once.",
        ),
    ] = None
    encryption_key: Annotated[
        SecretStr | None,
        Field(
            description="The key that encrypts secrets in the database, such as those of webhooks: 32 random "
            "bytes in base64, as 'openssl rand -base64 32' prints them. PostgreSQL needs it before the first "
            "webhook. For SQLite, the first start creates a key file beside the database. During a rotation, "
            "give the new key and the old one, separated by a comma.",
        ),
    ] = None
    host: Annotated[str, Field(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="The port to listen on.")] = 8000
    public_url: Annotated[
        str | None,
        Field(
            description="The URL at which callers reach the service behind a proxy: https://HOST, and the "
            "path that the proxy removes, if any. The URLs in responses begin with it.",
        ),
    ] = None
    workers: Annotated[int, Field(ge=1, le=64, description="The number of server processes.")] = 1
    max_connections: Annotated[
        int,
        Field(
            ge=10,
            le=100_000,
            description="The number of connections per process. Beyond it, a new connection closes the one "
            "that has been idle for longest; if none is idle, it gets a 503.",
        ),
    ] = 1000
    default_question_set: Annotated[
        str, Field(description="The question set for scores and new sessions if nothing else chooses one.")
    ] = "qualifying-a-sale"
    pool_size: Annotated[
        int, Field(ge=1, le=500, description="The number of PostgreSQL connections per process.")
    ] = 10
    wait_seconds: Annotated[
        float,
        Field(gt=0, le=300, description="How long a request waits for the database before it gets a 503."),
    ] = 10.0
    stale_notice_days: Annotated[
        int,
        Field(
            ge=1,
            le=365,
            description="How many days before an answer goes stale the event `answer.stale_soon` comes.",
        ),
    ] = 7
    max_body_bytes: Annotated[
        int,
        Field(
            ge=1024,
            description="The largest request body; a larger one gets a 413. A form of the web pages can "
            "always have 300,000 bytes.",
        ),
    ] = 1_000_000
    import_rows: Annotated[
        int, Field(ge=1, description="How many rows one request can import or qualify. It stops after them.")
    ] = 100_000
    import_bytes: Annotated[
        int,
        Field(
            ge=1024,
            description="The largest file that one request can import; a larger one gets a 413. The file is "
            "on the disk, in the folder for temporary files, while it is imported.",
        ),
    ] = 1_000_000_000
    intake_posts_per_hour: Annotated[
        int,
        Field(ge=1, description="How many payloads one intake accepts in an hour; a further one gets a 429."),
    ] = 20_000
    intake_bytes_per_hour: Annotated[
        int,
        Field(
            ge=1024,
            description="How many bytes of payloads one intake accepts in an hour; a further payload gets a "
            "429. The value must be at least max_body_bytes.",
        ),
    ] = 200_000_000
    intake_waiting_payloads: Annotated[
        int,
        Field(
            ge=1,
            description="How many payloads of one intake can wait to be processed; a further one gets a 429.",
        ),
    ] = 10_000
    webhook_networks: Annotated[
        str,
        Field(
            description="Networks that are not public but that webhooks may reach, on any port. "
            "Separate them by commas: 10.0.0.0/8,fd00::/8. Record updates and requests for tokens may use "
            "http only there.",
        ),
    ] = ""
    webhook_seconds: Annotated[
        float, Field(gt=0, le=60, description="How long the receiver of a webhook has to respond.")
    ] = 15.0
    webhook_pending_deliveries: Annotated[
        int,
        Field(
            ge=1,
            description="How many pending deliveries one webhook can have. Further events wait in the feed, "
            "and are sent after earlier deliveries are accepted or given up.",
        ),
    ] = 10_000
    webhook_test_shows_answer: Annotated[
        bool,
        Field(
            description="Whether the test of a webhook and its log of deliveries show the beginning of the "
            "response body. It helps to find errors, but anybody with the scope author can then read "
            "responses from the networks that webhooks may reach.",
        ),
    ] = False
    log_level: Annotated[
        str,
        Field(
            pattern="^(debug|info|warning|error)$",
            description="The lowest level to log: debug, info, warning or error. Logs are JSON lines.",
        ),
    ] = "info"

    def local_url(self, port: int) -> str:
        """Return the URL of a service that listens on a port of this machine."""
        address = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{address}]' if ':' in address else address}:{port}"

    @model_validator(mode="after")
    def _check_intake_bytes(self) -> Self:
        """Otherwise an intake would never accept a payload of the largest size."""
        if self.intake_bytes_per_hour < self.max_body_bytes:
            raise ValueError("intake_bytes_per_hour: give at least the value of max_body_bytes")
        return self

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr) -> SecretStr:
        """Accept both common prefixes of PostgreSQL URLs, and add the driver that is installed."""
        value = url.get_secret_value()
        for prefix in ("postgresql://", "postgres://"):
            if value.startswith(prefix):
                value = "postgresql+psycopg://" + value.removeprefix(prefix)
        if not _is_supported_database(value):
            raise ValueError("give sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME")
        return SecretStr(value)

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        """Remove the slash at the end, so that paths can be appended."""
        if url is not None and not PUBLIC_URL_PATTERN.fullmatch(url):
            raise ValueError("give http://HOST or https://HOST, optionally with a port and a path")
        return url.rstrip("/") if url else None

    @field_validator("webhook_networks")
    @classmethod
    def _check_networks(cls, networks: str) -> str:
        try:
            for network in filter(None, networks.split(",")):
                ip_network(network.strip())
        except ValueError:
            raise ValueError("give networks separated by commas: 10.0.0.0/8,192.168.7.0/24") from None
        return networks

    @field_validator("admin_key")
    @classmethod
    def _check_admin_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not (
            20 <= len(key.get_secret_value()) <= 200
            and key.get_secret_value().isascii()
            and key.get_secret_value().isprintable()
            and " " not in key.get_secret_value()
        ):
            raise ValueError("give 20 to 200 visible ASCII characters")
        return key

    @field_validator("encryption_key")
    @classmethod
    def _check_encryption_key(cls, keys: SecretStr | None) -> SecretStr | None:
        try:
            is_valid = keys is None or bool(parse_encryption_keys(keys.get_secret_value()))
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ValueError("give 32 random bytes in base64: 'openssl rand -base64 32' prints such a key")
        return keys

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _FileSource(settings_cls)


def _is_supported_database(url: str) -> bool:
    try:
        parsed = make_url(url)
    except (ValueError, ArgumentError):
        return False
    # With SQLite in memory, every connection would have its own database.
    in_memory = parsed.database in (None, "", ":memory:")
    return parsed.drivername == "postgresql+psycopg" or (url.startswith("sqlite:///") and not in_memory)


class _FileSource(PydanticBaseSettingsSource):
    """Reads a setting from the file that `PROSPECT_FIT_<NAME>_FILE` names, such as a container secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return (Path(path).read_text("utf-8").strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}
