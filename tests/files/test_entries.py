"""Rows as entries: one bad cell costs one cell, and a bad rating its row."""

from collections.abc import Mapping
from pathlib import Path

from app.files.entries import Entry, EntryReader, Expected
from app.files.opening import open_table
from app.scoring import Answer, Plan, read_question_set
from tests.scoring.building import question, step, weighted

TYPES = {"employees": "number", "annual_revenue": "number", "partner": "boolean", "region": "text"}
QUESTIONS = step("all", question("fit"), question("need"))
PLAN = Plan(read_question_set(weighted(QUESTIONS, attributes=TYPES)), "small-set@1")


def entries(folder: Path, text: str, *, expected: Expected | None = None, **options: object) -> list[Entry]:
    (folder / "a.csv").write_text(text)
    with open_table(folder / "a.csv") as table:
        reader = EntryReader(table, expected or Expected.by(PLAN), **options)  # type: ignore[arg-type]
        return [reader.read(row) for row in table.rows()]


def ratings(entry: Entry) -> Mapping[str, object]:
    return {key: answer.rating or answer.state for key, answer in entry.answers.items()}


def test_a_row_says_an_id_a_name_answers_and_attributes(tmp_path: Path) -> None:
    text = (
        "ID,Name,Fit,need,# Employees,Annual Revenue,partner,Region\n"
        '="001", Acme ,04,n/a,"1,200",$1.2M,yes,NA\n'
        "2,,4.0,Unknown,,-,x,n/a\n"
        "3,#N/A,-,open,12 %,null,0,#N/A\n"
    )
    first, second, third = entries(tmp_path, text)
    assert (first.id, first.name) == ("001", "Acme")
    assert ratings(first) == {"fit": 4, "need": "not_applicable"}
    assert first.attributes == {
        "employees": 1200,
        "annual_revenue": 1_200_000,
        "partner": True,
        "region": "NA",
    }
    assert (second.id, second.name, ratings(second)) == ("2", None, {"fit": 4, "need": "unknown"})
    assert second.attributes == {"partner": True}
    assert (third.name, ratings(third)) == (None, {"need": "open"})
    assert third.attributes == {"employees": 12, "partner": False}
    assert [entry.remarks for entry in (first, second, third)] == [(), (), ()]


def test_a_bad_attribute_costs_its_cell_and_is_named(tmp_path: Path) -> None:
    long = "x" * 1001
    text = f"id,fit,Annual Revenue,partner,region\n1,4,30 Mio,maybe,{long}\n2,4,#DIV/0!,1,a\n"
    first, second = entries(tmp_path, text)
    assert (first.problem, ratings(first), first.attributes) == (None, {"fit": 4}, {})
    assert first.remarks == [
        'row 2, Annual Revenue: "30 Mio" is not a number',
        'row 2, partner: "maybe" is neither yes nor no',
        f'row 2, region: "{"x" * 60}…" has more than 1000 characters',
    ]
    assert first.unread == ["annual_revenue", "partner", "region"]
    assert second.remarks == ['row 3, Annual Revenue: "#DIV/0!" is the error of a formula']
    assert second.attributes == {"partner": True, "region": "a"}


def test_a_bad_rating_or_id_refuses_its_row_and_no_other(tmp_path: Path) -> None:
    text = 'id,Fit,need\n1,9,"4,5"\n1.23E+15,4,4\n3,4,4\n'
    first, second, third = entries(tmp_path, text)
    assert first.problem
    assert second.problem
    assert first.reasons == [
        'row 2, Fit: "9" is neither a whole number from 1 to 5 nor n/a or unknown',
        'row 2, need: "4,5" is neither a whole number from 1 to 5 nor n/a or unknown',
    ]
    (reason,) = second.reasons
    assert reason.startswith('row 3, id: "1.23E+15" has lost digits in a spreadsheet: format the column as ')
    assert (third.problem, third.id) == (None, "3")


def test_one_decimal_sign_holds_for_the_file(tmp_path: Path) -> None:
    text = 'id;employees;annual_revenue\n1;1.200;"30,5"\n2;1,5;1.5\n'
    first, second = entries(tmp_path, text)
    assert first.attributes == {"employees": 1200, "annual_revenue": 30.5}
    assert second.attributes == {"employees": 1.5}
    assert second.remarks == [
        'row 3, annual_revenue: "1.5" is not a number, because the decimal sign is a comma'
    ]
    (first, second) = entries(tmp_path, text, decimal=".")
    assert first.attributes == {"employees": 1.2}
    assert second.attributes == {"annual_revenue": 1.5}


def test_a_column_can_mark_a_question_as_not_applicable(tmp_path: Path) -> None:
    first, second, third = entries(tmp_path, "fit,fit_na,need\n,yes,4\n4,no,4\n4,yes,4\n")
    assert ratings(first) == {"fit": "not_applicable", "need": 4}
    assert ratings(second) == {"fit": 4, "need": 4}
    assert third.reasons == ['row 4, fit_na: "yes" marks a question that also has an answer']


def test_other_columns_are_ignored_or_attributes(tmp_path: Path) -> None:
    text = ",id,Staff count,rejected_line,rejected_because,rejected_text\n0,1,007,2,x,\n"
    (tmp_path / "a.csv").write_text(text)
    with open_table(tmp_path / "a.csv") as table:
        reader = EntryReader(table, Expected.by(PLAN))
        assert [reader.read(row).attributes for row in table.rows()] == [{}]
        assert (reader.ignored, reader.has_unnamed_cells) == (["Staff count"], True)
    everything = Expected(others_are_attributes=True)
    assert [e.attributes for e in entries(tmp_path, text, expected=everything)] == [{"staff_count": "007"}]


def test_fields_are_read_as_texts_and_an_amount_as_a_number(tmp_path: Path) -> None:
    fields = ("external_id", "name", "deal", "outcome", "outcome_amount", "outcome_closed_on")
    text = "id,deal,Outcome,Amount,closed on\n1,D-1,Won,€ 5k,2026-01-31\n2,,,many,\n"
    first, second = entries(tmp_path, text, expected=Expected.by(PLAN, fields))
    assert first.fields == {
        "deal": "D-1",
        "outcome": "Won",
        "outcome_amount": 5000,
        "outcome_closed_on": "2026-01-31",
    }
    assert (second.fields, second.remarks) == ({}, ['row 3, Amount: "many" is not a number'])


def test_every_answer_is_one_of_the_kernel(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path, "fit\n5\n")
    assert entry.answers == {"fit": Answer("rated", 5)}
