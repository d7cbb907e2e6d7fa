"""Does what a Dockerfile says without an engine: its own steps, below a folder instead of below /.

Left out is what only an engine can do (layers, another user, limits), and this machine's Python stands
in for the base image's.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template

# The folders of the image that the Dockerfile names; any other absolute path is this machine's own.
IMAGE_PATHS = re.compile(r"(?<![\w./])/(?=(?:srv|data|usr/local)\b)")


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Each instruction with its arguments, without comments and line breaks."""
    lines = [line for line in dockerfile.read_text("utf-8").splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        if line.strip():
            name, _, arguments = line.partition(" ")
            yield name, arguments.strip()


def send_context(source: Path, context: Path) -> Path:
    """Copy what .dockerignore lets through: it excludes all and lists what is wanted."""
    excluded, *rules = (source / ".dockerignore").read_text("utf-8").split()
    assert excluded == "*"
    nowhere = [rule.removeprefix("**/") for rule in rules if rule.startswith("**/")]
    for name in [rule.removeprefix("!") for rule in rules if rule.startswith("!")]:
        _copy(source / name, context / name, ignored=nowhere)
    return context


def _copy(source: Path, target: Path, ignored: list[str] | None = None) -> None:
    if source.is_dir():
        ignore = shutil.ignore_patterns(*ignored or [])
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=ignore)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


class Image:
    """The stages of a Dockerfile, built one after the other below `root`; at last the final one is there.

    `told` is what the last stage says of how it is to be run, `environment` what its ENV adds.
    """

    def __init__(self, dockerfile: Path, context: Path, folder: Path) -> None:
        self.root = folder / "root"
        self.told: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self._context = context
        self._stages: list[str] = []
        steps = {"FROM": self._from, "RUN": self._run, "COPY": self._copy, "ENV": self._env}
        for name, arguments in instructions(dockerfile):
            self.told[name] = arguments
            steps.get(name, lambda _: None)(arguments)

    def here(self, path: str) -> Path:
        """Where a path of the image lies on this machine."""
        return self.root / Path("/", self.told.get("WORKDIR", ""), path).relative_to("/")

    def start(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        """Start a command in the image as it stands."""
        environment = self.environment | environment
        program = shutil.which(command[0], path=environment["PATH"])
        assert program, f"{command[0]} is not in the image"
        folder = self.here(".")
        folder.mkdir(parents=True, exist_ok=True)
        outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen([program, *command[1:]], cwd=folder, env=environment, text=True, **outputs)

    def _from(self, arguments: str) -> None:
        base = self.root.with_name("base")
        if self._stages:
            self.root.rename(self.root.with_name(self._stages[-1]))
            shutil.copytree(base, self.root, symlinks=True)
        else:
            subprocess.run([sys.executable, "-m", "venv", self.root / "usr/local"], check=True)
            shutil.copytree(self.root, base, symlinks=True)
        self._stages.append(arguments.rpartition(" ")[2])
        self.told = {}
        ours = ("PYTHON", "VIRTUAL_ENV", "PROSPECT_FIT", "DATABASE_URL")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment["PATH"] = f"{self.root}/usr/local/bin:/usr/bin:/bin"

    def _run(self, command: str) -> None:
        process = self.start(["sh", "-c", IMAGE_PATHS.sub(f"{self.root}/", command)])
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, f"RUN {command}\n{output}"

    def _copy(self, arguments: str) -> None:
        words = arguments.split()
        options = dict(word[2:].split("=") for word in words if word.startswith("--"))
        *sources, target = [word for word in words if not word.startswith("--")]
        came_from = self.root.with_name(options["from"]) if "from" in options else self._context
        for source in sources:
            into = Path(source).name if target.endswith("/") else ""
            _copy(came_from / source.lstrip("/"), self.here(target) / into)

    def _env(self, arguments: str) -> None:
        for word in shlex.split(arguments):
            name, value = word.split("=", 1)
            value = Template(IMAGE_PATHS.sub(f"{self.root}/", value)).substitute(self.environment)
            self.environment[name] = value
