"""The import contracts of pyproject.toml, which `make check` runs too."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.conftest import ROOT

CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
}


def test_the_contracts_are_kept() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_module_has_its_layer_and_no_contract_an_exception() -> None:
    assert CONTRACTS["Imports go downward only"]["exhaustive"] is True
    assert CONTRACTS["No cycles"]["ancestors"] == ["app"]
    lax = {"ignore_imports", "exhaustive_ignores", "allow_indirect_imports", "skip_descendants", "depth"}
    assert [name for name, contract in CONTRACTS.items() if lax & set(contract)] == []


def test_make_check_runs_them() -> None:
    told = subprocess.run(["make", "-n", "check"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "lint-imports" in told.stdout
