"""Store the body of a request in a temporary file that only this process can read."""

from functools import partial
from tempfile import NamedTemporaryFile
from typing import IO

from fastapi import Request

from app.edge.computing import Computing
from app.edge.ndjson import BodyReader
from app.edge.process_folder import ProcessFolder
from app.private_files import no_space
from app.problems import IMPORT_TOO_LARGE, Problem

WRITTEN_AT_ONCE = 256 * 1024


async def spool(request: Request, max_bytes: int, computing: Computing, folder: ProcessFolder) -> IO[bytes]:
    """Return a temporary file with the body. It has a name, and is deleted when it is closed.

    Raises:
        Problem: IMPORT_TOO_LARGE if the body has more than `max_bytes`, UNAVAILABLE if the disk is full, and
            what `BodyReader.next` raises.
    """
    content_length = request.headers.get("content-length", "0")
    if content_length.isdigit() and int(content_length) > max_bytes:
        raise _too_large(max_bytes)
    file = await computing.run(partial(_create, folder))
    try:
        await _write(BodyReader(request), file, max_bytes, computing)
    except OSError:
        file.close()
        raise no_space() from None
    except BaseException:
        file.close()
        raise
    return file


def _create(folder: ProcessFolder) -> IO[bytes]:
    path = folder.path()
    try:
        return NamedTemporaryFile(dir=path, prefix="body-")
    except OSError:
        raise no_space() from None


async def _write(body: BodyReader, file: IO[bytes], max_bytes: int, computing: Computing) -> None:
    size, pending = 0, bytearray()
    while (chunk := await body.next()) is not None:
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        pending += chunk
        if len(pending) >= WRITTEN_AT_ONCE:
            await computing.run(partial(file.write, bytes(pending)))
            pending.clear()
    await computing.run(partial(file.write, bytes(pending)))
    await computing.run(file.flush)


def _too_large(max_bytes: int) -> Problem:
    return Problem(IMPORT_TOO_LARGE, f"The file has more than {max_bytes:,} bytes.")
