"""Translates a statement into the dialect of each database, with workarounds for its limits."""

from collections.abc import Callable, Mapping, Sequence

import sqlglot
from sqlglot import exp

from app.scoring.attributes import MAX_INTEGER
from app.scoring.sql.dialects import Dialect

# The collation that compares texts byte by byte, by dialect.
BINARY: Mapping[Dialect, exp.Expr] = {
    "duckdb": exp.var("C"),
    "postgres": exp.to_identifier("C", quoted=True),
    "spark": exp.var("UTF8_BINARY"),
    "bigquery": exp.Literal.string(""),
    "snowflake": exp.Literal.string("utf8"),
}


def translate(dialect: Dialect, statement: str) -> str:
    """A DuckDB statement in another dialect."""
    tree = sqlglot.parse_one(statement, read="duckdb")
    for collate in tree.find_all(exp.Collate):
        collate.set("expression", BINARY[dialect].copy())
    for adapt in ADAPTATIONS.get(dialect, ()):
        adapt(tree)
    text: str = tree.sql(dialect=dialect, pretty=True, identify=True, copy=False)
    _take_apart(tree)
    return text + "\n"


def _take_apart(tree: exp.Expr) -> None:
    """Free the nodes, which refer to each other, one by one.

    Otherwise, the garbage collector would free all of them at once, and would stop all threads meanwhile.
    """
    for node in list(tree.walk()):
        node.parent = None
        node.args.clear()


def _stop_inlining(tree: exp.Expr) -> None:
    """Stop PostgreSQL from inlining the table expressions (OFFSET 0).

    With inlining, a set of 28 questions takes minutes instead of seconds.
    """
    for part in tree.find_all(exp.CTE):
        part.set("this", part.this.offset(0, copy=False))


def _lower_in_collation_c(tree: exp.Expr) -> None:
    """In PostgreSQL, TRANSLATE takes 2 µs per text; LOWER in the collation C takes 0.1 µs for the same."""
    for folded in list(tree.find_all(exp.Translate)):
        folded.replace(exp.Lower(this=folded.this.copy()))


def _lower_printable_ascii(tree: exp.Expr) -> None:
    """In DuckDB, this TRIM and TRANSLATE take 0.9 µs; for printable ASCII, LOWER is the same in 0.2 µs."""
    for folded in list(tree.find_all(exp.Translate)):
        text = folded.this.this
        is_printable = exp.func(
            "REGEXP_FULL_MATCH", text.copy(), exp.Literal.string("[ -~]*"), dialect="duckdb"
        )
        lowered = exp.Lower(this=exp.Trim(this=text.copy()))
        folded.replace(exp.case().when(is_printable, lowered).else_(folded.copy()))


def _concatenate_at_once(tree: exp.Expr) -> None:
    """DuckDB builds a new text for each ||, but only one for a CONCAT of many texts."""
    for chain in [pipe for pipe in tree.find_all(exp.DPipe) if not isinstance(pipe.parent, exp.DPipe)]:
        chain.replace(exp.func("CONCAT", *(part.copy() for part in chain.flatten()), dialect="duckdb"))


def _keep_texts(tree: exp.Expr) -> None:
    """Without ANSI, a text plus 0 is NULL in Spark if the text is no number: use a number too large instead.

    With NaN, Spark would convert every integer to a double and round it.
    """
    zero, too_large = exp.Literal.number(0), exp.Literal.number(2 * MAX_INTEGER)
    for number in [add for add in tree.find_all(exp.Add) if add.expression == zero]:
        is_given = exp.case().when(number.this.copy().is_(exp.null()).not_(), too_large.copy())
        number.replace(exp.func("COALESCE", number.copy(), is_given))


def _hold_every_number(tree: exp.Expr) -> None:
    """In DuckDB, comparing a UHUGEINT or some DECIMAL with an integer fails if one type cannot hold both.

    An attribute is then compared as a double, which is exact enough: such values are far from the limits.
    """
    for limits in tree.find_all(exp.Between):
        tried = exp.func("TRY", limits.copy(), dialect="duckdb")
        value = exp.TryCast(this=limits.this.this.copy(), to=exp.DataType.build("DOUBLE"))
        is_small = exp.Abs(this=value) <= exp.convert(MAX_INTEGER)
        limits.replace(exp.func("COALESCE", tried, is_small))


def _skip_null(tree: exp.Expr) -> None:
    """In BigQuery, GREATEST and LEAST are NULL if one of the two is; elsewhere they skip it."""
    for chosen in tree.find_all(exp.Greatest, exp.Least):
        (second,) = chosen.expressions
        chosen.set("this", exp.func("COALESCE", chosen.this, second.copy()))


def _write_names_in_capitals(tree: exp.Expr) -> None:
    """Snowflake stores names in capitals, and a quoted name has to match the stored one."""
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("this", identifier.name.upper())


def _translate_plain_texts(tree: exp.Expr) -> None:
    """Snowflake's TRANSLATE refuses texts with a collation; comparisons keep their collation."""
    for folded in tree.find_all(exp.Translate):
        for collate in list(folded.find_all(exp.Collate)):
            collate.replace(collate.this)


ADAPTATIONS: Mapping[Dialect, Sequence[Callable[[exp.Expr], None]]] = {
    "duckdb": [_hold_every_number, _lower_printable_ascii, _concatenate_at_once],
    "postgres": [_stop_inlining, _lower_in_collation_c],
    "spark": [_keep_texts],
    "bigquery": [_skip_null],
    "snowflake": [_write_names_in_capitals, _translate_plain_texts],
}
