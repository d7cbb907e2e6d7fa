"""Spark in local mode. Its tables are Parquet files that DuckDB writes."""

import pytest

from tests.scoring.sql.engines import DuckDB

pyspark = pytest.importorskip("pyspark", reason="make test-spark installs it")


class Spark(DuckDB):
    dialect = "spark"
    integers = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")

    def __init__(self, session, folder):
        super().__init__()
        self.session = session
        self.folder = folder

    def make(self, table, columns, rows):
        super().make(table, columns, rows)
        file = self.folder / f"{table}.parquet"
        self.connection.execute(f"COPY {table} TO '{file}' (FORMAT parquet)")
        self.session.read.parquet(str(file)).createOrReplaceTempView(table)

    def run(self, statement):
        return [row.asDict() for row in self.session.sql(statement).collect()]


@pytest.fixture(scope="session")
def session():
    from pyspark.sql import SparkSession  # noqa: PLC0415  # slow, and only there for these tests

    quiet = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    building = SparkSession.builder.master("local[2]").appName("prospect-fit")
    for setting, value in quiet.items():
        building = building.config(setting, value)
    made = building.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    yield made
    made.stop()


@pytest.fixture(scope="session", params=["true", "false"], ids=["compiled whole", "in parts"])
def engine(request, session, tmp_path_factory):
    session.conf.set("spark.sql.codegen.wholeStage", request.param)
    made = Spark(session, tmp_path_factory.mktemp("parquet"))
    yield made
    made.close()
