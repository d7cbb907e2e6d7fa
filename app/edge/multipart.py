"""Read a form with a file, and keep the file on the disk while it arrives."""

from collections.abc import AsyncGenerator
from time import monotonic

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.edge.bodies import require_plain
from app.edge.ndjson import BodyReader
from app.private_files import no_space
from app.problems import IMPORT_TOO_LARGE, MALFORMED_BODY, UNSUPPORTED_MEDIA_TYPE, Problem

MULTIPART_MEDIA_TYPE = "multipart/form-data"
MAX_FIELDS = 20
MAX_FIELD_BYTES = 16_384
# What the fields, the headers of the parts and the boundaries add to the file.
MAX_OVERHEAD_BYTES = 65_536
# A browser shows the response only after it has sent the whole body. So the service reads and discards the
# rest of a file that is too large, for at most this time.
MAX_DISCARD_SECONDS = 120


async def read_multipart(request: Request, max_bytes: int) -> tuple[list[tuple[str, str]], UploadFile | None]:
    """Return the fields of a form, and its file if it has one. The caller closes the file.

    A file of more than a megabyte is in the folder for temporary files, without a name.

    Raises:
        Problem: IMPORT_TOO_LARGE if the file has more than `max_bytes`, MALFORMED_BODY if the form cannot be
            read, UNSUPPORTED_MEDIA_TYPE if it is not in UTF-8, UNAVAILABLE if the disk is full, and what
            `BodyReader.next` raises.
    """
    require_plain(request)
    _require_utf_8(request)
    body = BodyReader(request)
    stream = _limited(body, max_bytes)
    parser = MultiPartParser(
        request.headers, stream, max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(MALFORMED_BODY, f"The form cannot be read: {error.message}") from None
    except OSError:
        await _discard(body)
        raise no_space() from None
    finally:
        await stream.aclose()
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    files = [value for _, value in form.multi_items() if not isinstance(value, str)]
    file = files[0] if files else None
    if file and (file.size or 0) > max_bytes:
        await file.close()
        raise _too_large(max_bytes)
    return fields, file


def _require_utf_8(request: Request) -> None:
    """Check that a form is in UTF-8. Browsers send it so, and other encodings can have texts without one."""
    _, options = parse_options_header(request.headers["content-type"])
    if options.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise Problem(UNSUPPORTED_MEDIA_TYPE, "The charset of the form is not UTF-8.")


async def _limited(body: BodyReader, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the body. Raises IMPORT_TOO_LARGE, after it has discarded the rest so that a browser shows it."""
    size = 0
    while (chunk := await body.next()) is not None:
        size += len(chunk)
        if size > max_bytes + MAX_OVERHEAD_BYTES:
            await _discard(body)
            raise _too_large(max_bytes)
        yield chunk


async def _discard(body: BodyReader) -> None:
    until = monotonic() + MAX_DISCARD_SECONDS
    while monotonic() < until and await body.next() is not None:
        pass


def _too_large(max_bytes: int) -> Problem:
    detail = f"The file has more than {max_bytes:,} bytes. Divide it into smaller files. Nothing was stored."
    return Problem(IMPORT_TOO_LARGE, detail)
