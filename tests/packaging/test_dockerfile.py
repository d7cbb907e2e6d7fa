"""The Dockerfile: linted, and its own steps carried out as far as that goes without an engine."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.packaging.stages import Image, send_context
from tests.waiting import PATIENCE

DOCKERFILE = ROOT / "Dockerfile"
INSTALLERS = {"pip", "uv", "hatchling", "setuptools", "editables"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    return Image(DOCKERFILE, send_context(ROOT, folder / "context"), folder)


@contextmanager
def started(image: Image, **environment: str) -> Iterator[None]:
    """The service as the image starts it, from its first word to a clean stop."""
    command = json.loads(image.told["ENTRYPOINT"]) + json.loads(image.told["CMD"])
    with image.start(command, **environment) as service:
        try:
            assert service.stdout
            assert any("Try:" in line for line in service.stdout)
            yield
            service.send_signal(signal.SIGTERM)
            assert service.wait(PATIENCE) in (0, -signal.SIGTERM)
        finally:
            service.kill()


def is_healthy(image: Image, **environment: str) -> bool:
    """What the HEALTHCHECK says."""
    command = json.loads(image.told["HEALTHCHECK"].partition("CMD ")[2])
    with image.start(command, **environment) as check:
        check.communicate(timeout=PATIENCE)
    return check.returncode == 0


def files(image: Image) -> dict[Path, int]:
    """Every file outside the volume, and when it was changed."""
    data = image.here(image.told["VOLUME"])
    found = (path for path in image.root.rglob("*") if path.is_file() and not path.is_relative_to(data))
    return {path: path.stat().st_mtime_ns for path in found}


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])


def test_the_linter_finds_nothing_and_is_told_to_ignore_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [hadolint, "--failure-threshold", "style", DOCKERFILE]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert "hadolint" not in DOCKERFILE.read_text("utf-8")
    assert list(ROOT.glob(".hadolint*")) == []


def test_the_image_serves_is_healthy_while_it_does_and_writes_to_its_volume_only(image: Image) -> None:
    port = {"PROSPECT_FIT_PORT": free_port()}
    before = files(image)
    assert not is_healthy(image, **port)
    with started(image, **port):
        assert is_healthy(image, **port)
    assert not is_healthy(image, **port)
    assert files(image) == before
    assert (image.here(image.told["VOLUME"]) / "prospect_fit.db").is_file()


def test_the_image_has_the_wheel_and_no_source_tree(image: Image) -> None:
    (installed,) = image.root.rglob("prospect_fit-*.dist-info")
    assert "editable" not in (installed / "direct_url.json").read_text("utf-8")
    assert [path for path in image.root.rglob("pyproject.toml") if path.parent.name == "prospect-fit"] == []


def test_no_installer_is_left_in_the_image(image: Image) -> None:
    left = {path.name for path in image.root.rglob("site-packages/*")}
    assert "fastapi" in left
    assert left & INSTALLERS <= {"setuptools"}  # of a Python before 3.12; the image's has none
    assert {"pip", "pip3", "uv"} & {path.name for path in image.root.rglob("bin/*")} == set()


def test_the_image_runs_as_a_user_that_is_not_root_and_no_name_has_to_be_known(image: Image) -> None:
    user, group = map(int, image.told["USER"].split(":"))
    assert user > 0
    assert group > 0
    assert f"--chown={user}:{group} /data {image.told['VOLUME']}" in DOCKERFILE.read_text("utf-8")
