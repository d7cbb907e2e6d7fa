"""compose.yaml: what it must not get wrong."""

import re
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from app.settings import PREFIX, Settings
from tests.conftest import ROOT
from tests.packaging.stages import instructions

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_bytes())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APP, POSTGRES = SERVICES["prospect-fit"], SERVICES["postgres"]


def test_the_image_is_named_after_the_version() -> None:
    assert APP["image"] == f"prospect-fit:{version('prospect-fit')}"


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_every_image_has_a_tag_that_says_which(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z-]+:\d[\w.-]*", service["image"])


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_only_this_machine_reaches_a_port(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "network_mode" not in service


def test_the_port_is_the_one_that_the_image_serves_on() -> None:
    image = dict(instructions(ROOT / "Dockerfile"))
    assert [port.rpartition(":")[2] for port in APP["ports"]] == [image["EXPOSE"]]
    assert f"PROSPECT_FIT_PORT={image['EXPOSE']}" in image["ENV"].split()


def test_the_service_waits_until_the_database_answers() -> None:
    assert APP["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert POSTGRES["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_the_database_outlives_its_container() -> None:
    volume, _, folder = POSTGRES["volumes"][0].partition(":")
    assert volume in COMPOSE["volumes"]
    assert folder == "/var/lib/postgresql/data"


def test_uploads_outlive_the_container_in_a_folder_that_belongs_to_the_user_of_the_image() -> None:
    volume, _, folder = APP["volumes"][0].partition(":")
    assert volume in COMPOSE["volumes"]
    assert APP["environment"]["TMPDIR"] == folder
    assert folder not in APP["tmpfs"]
    # A new volume gets the owner and the mode of the folder in the image.
    image = list(instructions(ROOT / "Dockerfile"))
    assert ("VOLUME", folder) in image
    user = dict(image)["USER"]
    assert ("COPY", f"--from=build --chown={user} {folder} {folder}") in image


def test_there_is_no_password_but_the_one_that_must_be_given() -> None:
    required = re.compile(r"\$\{POSTGRES_PASSWORD:\?[^}]+\}")
    assert required.fullmatch(POSTGRES["environment"]["POSTGRES_PASSWORD"])
    url = required.sub("0123abcd", APP["environment"]["PROSPECT_FIT_DATABASE_URL"])
    user, host = POSTGRES["environment"]["POSTGRES_USER"], "postgres"
    assert url == f"postgresql://{user}:0123abcd@{host}/{user}"
    assert Settings(database_url=url).database_url  # type: ignore[arg-type]


def test_the_encryption_key_must_be_given() -> None:
    required = r"\$\{PROSPECT_FIT_ENCRYPTION_KEY:\?[^}]+\}"
    assert re.fullmatch(required, APP["environment"]["PROSPECT_FIT_ENCRYPTION_KEY"])


def test_every_variable_of_the_service_is_a_setting() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(APP["environment"]) - {"TMPDIR"} <= settings


def test_the_service_needs_to_write_nowhere_and_no_privilege() -> None:
    assert APP["read_only"] is True
    assert APP["cap_drop"] == ["ALL"]
    assert APP["security_opt"] == ["no-new-privileges:true"]
