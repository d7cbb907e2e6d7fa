"""An HTTP client that uses little CPU compared with the server: python -m bench.load HOST PORT < requests"""

import asyncio
import json
import sys
import time

CONNECTIONS = 8


def main() -> None:
    """Send every request on standard input (one JSON string per line), and print requests per second."""
    host, port = sys.argv[1], int(sys.argv[2])
    requests = [json.loads(line).encode() for line in sys.stdin]
    print(asyncio.run(send_all(host, port, requests)))


async def send_all(host: str, port: int, requests: list[bytes]) -> float:
    waiting = iter(requests)
    started = time.perf_counter()
    await asyncio.gather(*(_connection(host, port, waiting) for _ in range(CONNECTIONS)))
    return len(requests) / (time.perf_counter() - started)


async def _connection(host: str, port: int, waiting) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for request in waiting:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(body.decode())
    writer.close()


if __name__ == "__main__":
    main()
