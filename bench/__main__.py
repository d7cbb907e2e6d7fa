"""`make bench`: run all benchmarks, and print one table."""

from itertools import chain

from bench import (
    batch,
    crowd,
    feed,
    http,
    impact,
    imports,
    kernel,
    pages,
    replicas,
    start,
    storage,
    warehouse,
    writes,
)
from bench.table import print_table

BENCHMARKS = (
    http,
    writes,
    start,
    kernel,
    storage,
    impact,
    warehouse,
    batch,
    imports,
    feed,
    crowd,
    replicas,
    pages,
)

if __name__ == "__main__":
    print_table(chain.from_iterable(module.measures() for module in BENCHMARKS))
