"""An HTTP client that uses little CPU: python -m bench.load HOST PORT CONNECTIONS < requests"""

import asyncio
import json
import sys
import time


def main() -> None:
    """Send every request on standard input (one JSON string per line), and print requests per second."""
    host, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    requests = [json.loads(line).encode() for line in sys.stdin]
    print(asyncio.run(send_all(host, port, connections, requests)))


async def send_all(host: str, port: int, connections: int, requests: list[bytes]) -> float:
    """Send the requests on that many connections at the same time, and return requests per second."""
    waiting = iter(requests)
    started = time.perf_counter()
    await asyncio.gather(*(_connection(host, port, waiting) for _ in range(connections)))
    return len(requests) / (time.perf_counter() - started)


async def _connection(host: str, port: int, waiting) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for request in waiting:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await _body(reader, head.lower())
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(body.decode())
    writer.close()


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"content-length: " in head:
        return await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


if __name__ == "__main__":
    main()
