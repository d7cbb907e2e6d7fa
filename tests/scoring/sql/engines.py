"""Databases to run a statement on: each makes tables of rows and gives back rows by column name."""

import duckdb
import psycopg

from app.scoring.sql import Dialect


class DuckDB:
    dialect: Dialect = "duckdb"
    integers = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
    fractions = ("DOUBLE", "FLOAT", "DECIMAL(9,2)")
    number, text, boolean = "DOUBLE", "VARCHAR", "BOOLEAN"

    def __init__(self):
        self.connection = duckdb.connect()

    def make(self, table, columns, rows):
        definitions = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
        self.connection.execute(f"CREATE OR REPLACE TABLE {table} ({definitions})")
        if rows:
            marks = ", ".join("?" for _ in columns)
            self.connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def run(self, statement):
        answer = self.connection.execute(statement)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def close(self):
        self.connection.close()


class PostgreSQL:
    dialect: Dialect = "postgres"
    integers = ("SMALLINT", "INTEGER", "BIGINT")
    fractions = ("DOUBLE PRECISION", "REAL", "NUMERIC")
    number, text, boolean = "DOUBLE PRECISION", "TEXT", "BOOLEAN"

    def __init__(self, url):
        self.connection = psycopg.connect(url, autocommit=True)

    def make(self, table, columns, rows):
        definitions = ", ".join(f'"{name}" {type_}' for name, type_ in columns.items())
        with self.connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute(f"CREATE TABLE {table} ({definitions})")
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    def run(self, statement):
        answer = self.connection.execute(statement)
        names = [column.name for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def close(self):
        self.connection.close()
