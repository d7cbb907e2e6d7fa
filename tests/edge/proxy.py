"""A network between the service and PostgreSQL that can fail."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from tests.waiting import PATIENCE


class Proxy:
    """Forwards to the server's socket; `silent` swallows what comes, `cut` breaks every connection."""

    def __init__(self, database_url: str) -> None:
        parts = conninfo_to_dict(database_url)
        self._server = Path(str(parts["host"])) / ".s.PGSQL.5432"
        self._database = parts["dbname"]
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.silent = False
        self.refusing = False
        self._start(self._accept)

    @property
    def url(self) -> str:
        """Where the service finds the database."""
        port = self._listening.getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}/{self._database}"

    def cut(self) -> None:
        """Break every connection, as a server does that stops."""
        for connected in self._open:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        """Let nobody wait, and leave nothing open."""
        self.silent = False
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                if self.refusing:
                    caller.close()
                else:
                    self._start(self._serve, caller)

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            self._open += [caller, server]
            if self.refusing:  # since it was accepted
                return
            back = self._start(self._forward, server, caller)
            self._forward(caller, server)
            back.join()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                while self.silent:
                    time.sleep(0.01)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
