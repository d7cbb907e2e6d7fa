"""numpy computes in the thread that calls it: the threads of OpenBLAS cost more than they save."""

import os
import subprocess
import sys

PROGRAM = """
import os
from app.main import tune_process
tune_process()
from app.insights.statistics.agreement import alpha_of_groups
import numpy
alpha_of_groups(numpy.random.default_rng(1).random((200, 5, 5)))
print(len(os.listdir("/proc/self/task")))
"""


def test_a_report_starts_no_threads() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
