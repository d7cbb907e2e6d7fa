"""Suggestions for the columns of a file."""

from pathlib import Path

import pytest

from app.files.opening import open_table
from app.inbound.imports.mapping import (
    Targets,
    carried_over,
    columns_of,
    read_contents,
    repeated_keys,
    suggest,
)
from app.inbound.imports.schemas import Choices, Contents
from app.question_sets.builtin_sets import read_builtin
from app.scoring import Plan

TYPES = {"employees": "number", "industry": "text", "annual_revenue": "number"}


@pytest.fixture(scope="module")
def targets() -> Targets:
    """What columns can be with the question set of the method."""
    (built_in,) = (one for one in read_builtin() if one.key == "qualifying-a-sale")
    return Targets(TYPES, Plan(built_in, "qualifying-a-sale@1"))


def contents(tmp_path: Path, *rows: str) -> Contents:
    file = tmp_path / "file.csv"
    file.write_text("\n".join(rows), "utf-8")
    with open_table(file) as table:
        return read_contents(table)


@pytest.mark.parametrize(
    ("headings", "keys"),
    [
        ("Account ID,Account Name,Industry,Number of Employees", "external_id name industry employees"),
        ("Record ID,Company name,Annual Revenue,City", "external_id name annual_revenue city"),
        ("Kd.-Nr.,Firmenname,Branche,Mitarbeiter", "external_id name industry employees"),
        ("ID,Unternehmen,Jahresumsatz,Straße", "external_id name annual_revenue strasse"),
        ("Debitorennummer,Kunde,Beschäftigte,Größe (m²)", "external_id name employees groesse_m2"),
    ],
)
def test_headings_of_exports(tmp_path: Path, headings: str, keys: str) -> None:
    assert suggest(contents(tmp_path, headings, "1,2,3,4"), Targets(TYPES)) == tuple(keys.split())


def test_headings_of_exports_that_are_also_qualified(tmp_path: Path, targets: Targets) -> None:
    found = contents(
        tmp_path,
        "Account ID;Opportunity ID;Budget;Stage;Betrag;Close Date;Lost Reason;Mitbewerber",
        "1;d1;4;Won;1.000;31.01.2026;;",
        "2;d2;unknown;Lost;2.000;28.2.2026;Too expensive;Rival",
    )
    keys = (
        "external_id deal budget outcome outcome_amount outcome_closed_on outcome_reason outcome_competitor"
    )
    assert suggest(found, targets) == tuple(keys.split())


def test_values_that_do_not_fit_are_attributes(tmp_path: Path, targets: Targets) -> None:
    found = contents(
        tmp_path,
        "id,Budget,Source,Employees,Stage,Close Date,Empty,公司,2024",
        '1,"50,000",Web Form,many,Negotiation,01/31/2026,,x,y',
    )
    keys = "external_id budget_value source_value employees_value stage close_date"
    assert suggest(found, targets) == (*keys.split(), "", "column_8", "column_9")


def test_names_are_the_ids_if_there_are_no_ids_and_each_name_occurs_once(tmp_path: Path) -> None:
    once = contents(tmp_path, "Firma,Ort", "Acme,Bonn", "Borealis,Bonn")
    twice = contents(tmp_path, "Firma,Ort", "Acme,Bonn", "Acme,Bonn")
    assert suggest(once, Targets({})) == ("external_id+name", "ort")
    assert suggest(twice, Targets({})) == ("name", "ort")
    assert columns_of(Choices(columns=("external_id+name", ""))) == {"external_id": 0, "name": 0}


def test_a_key_is_suggested_once(tmp_path: Path) -> None:
    found = contents(tmp_path, "id,ID,Ort,Ort,rejected_because", "1,2,3,4,5")
    assert suggest(found, Targets({})) == ("external_id", "", "ort", "ort_4", "")
    choices = Choices(columns=("external_id", "external_id+name", "ort", "ort"))
    assert repeated_keys(choices) == {"external_id": [0, 1], "ort": [2, 3]}


def test_another_question_set_keeps_what_a_person_chose(tmp_path: Path, targets: Targets) -> None:
    found = contents(tmp_path, "id,Budget,Ort,Timeline", "1,4,Bonn,5")
    before = Targets(TYPES)
    assert suggest(found, before) == ("external_id", "budget", "ort", "timeline")
    chosen = ("external_id", "budget", "name", "")
    assert carried_over(chosen, found, before, targets) == ("external_id", "budget", "name", "")
    rated = ("external_id", "budget", "ort", "trigger")
    assert carried_over(rated, found, targets, before) == ("external_id", "budget", "ort", "timeline")


def test_the_samples_are_different_values_of_the_first_rows(tmp_path: Path) -> None:
    found = contents(
        tmp_path, "a,b", *(f"{number % 2},{number}" for number in range(300)), '-,"' + "x" * 99 + '"'
    )
    assert found.samples[0] == ("0", "1")
    assert found.samples[1] == tuple(map(str, range(20)))
    assert found.are_distinct == (False, True)
