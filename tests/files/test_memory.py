"""Reading takes bounded memory, whatever a file holds."""

import subprocess
import sys

MEASURE = """
import resource, sys
from pathlib import Path
from app.files.opening import open_table
resource.setrlimit(resource.RLIMIT_AS, (600_000_000, 600_000_000))
with open_table(Path(sys.argv[1])) as table:
    print(sum(1 for _ in table.rows()), [row.number for row in table.rows() if row.problem])
"""


def test_a_line_of_900_megabytes_is_refused_in_bounded_memory(tmp_path):
    file = tmp_path / "a.csv"
    with file.open("wb") as content:
        content.write(b"id,name\n1,Acme\n2,")
        content.seek(900_000_000, 1)
        content.write(b"\n3,Beta\n")
    done = subprocess.run([sys.executable, "-c", MEASURE, file], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3 [3]\n", "")
