"""A file of what was refused: as the file it came from, so that it can be mended and imported."""

import csv
import json
from io import StringIO

from app.imports.columns import REJECTED_BECAUSE, REJECTED_LINE, REMARKS
from app.imports.reading import Reader
from app.imports.records import UTF_8_BOM, Record
from app.problems import BODY_TOO_LARGE, Problem


def heading_of_rejects(reader: Reader) -> bytes:
    """How the file begins."""
    if not (reader.heading and reader.separator):
        return b""
    # With the mark that Excel looks for, since it was told of a file that it may have made.
    return UTF_8_BOM + _row(reader.separator, *REMARKS) + reader.heading.raw + b"\n"


def reject(reader: Reader, record: Record, problem: Problem) -> bytes:
    """A record as it was, with its line and what is wrong: two more cells before it, or a line of NDJSON.

    A line that was too long to be read was not kept, and that is said.
    """
    because = problem.detail + (" It is left out here." if problem.kind is BODY_TOO_LARGE else "")
    if reader.separator:
        return _row(reader.separator, str(record.line), because) + record.raw + b"\n"
    remark = json.dumps({REJECTED_LINE: record.line, REJECTED_BECAUSE: because}, ensure_ascii=False)
    return remark.encode() + b"\n" + record.raw + b"\n"


def _row(separator: str, *cells: str) -> bytes:
    """Cells that others follow."""
    text = StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(cells)
    return (text.getvalue() + separator).encode()
