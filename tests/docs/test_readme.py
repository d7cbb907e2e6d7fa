"""The README's qualification, run as it stands."""

import json
import re
import subprocess

from tests.conftest import ADMIN_KEY, ROOT, Running, needs

STORY = "## One qualification, from prospect to decision"


def blocks() -> list[str]:
    section = (ROOT / "README.md").read_text("utf-8").split(STORY)[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def run(block: str, service: Running, environment: dict[str, str]) -> dict:
    script = block.replace("http://127.0.0.1:8000", service.url)
    script = re.sub(r"^(KEY|SESSION)=.*$", "", script, flags=re.MULTILINE)
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout) if done.stdout else {}


def test_every_command_of_the_story_works_in_its_order(service: Running) -> None:
    needs("curl")
    environment = {"PATH": "/usr/bin:/bin", "KEY": ADMIN_KEY}
    answers = []
    for block in blocks():
        answer = run(block, service, environment)
        environment["SESSION"] = answer.get("session_id", environment.get("SESSION", ""))
        answers.append(answer)
    _, sets, first, more, decided, fit = answers
    assert {"qualifying-a-sale", "bant", "firmographic-fit"} <= {line["key"] for line in sets["items"]}
    assert first["score"]["summary"].startswith("Too early to say, 5 of 22 questions rated")
    assert (more["revision"], more["score"]["reportable"]) == (2, True)
    assert decided["decision"]["decision"] == "pursue"
    assert fit["decision"] == "pursue"


def test_the_readme_names_only_files_that_exist() -> None:
    named = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text("utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
