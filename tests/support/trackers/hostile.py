"""A server that does everything that a tracker should not; each path is another sin."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

JSON: Final = "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {size}\r\n\r\n{body}"


def answer(status: int, body: str = "{}", **headers: str) -> bytes:
    """Return an ordinary answer, with headers by their names with underscores."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return JSON.format(status=status, more=more, size=len(body.encode()), body=body).encode()


class Hostile:
    """
    Answers each request by what `sins` has for its path; a context.

    A sin is bytes to send, or a function that gets the socket and an event that ends it.
    `requests` holds the head of each request as it came.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.sins: dict[str, bytes | Callable[[socket.socket, threading.Event], None]] = {}
        self.requests: list[str] = []
        self._over = threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), line:
            line.settimeout(10)
            if self._tls is not None:
                line = self._tls.wrap_socket(line, server_side=True)
            with line:
                while head := self._head(line):
                    self.requests.append(head)
                    sin = self.sins[head.split()[1].partition("?")[0]]
                    if callable(sin):
                        sin(line, self._over)
                        return
                    line.sendall(sin)

    @staticmethod
    def _head(line: socket.socket) -> str:
        """Return a request's head; its body is read and forgotten."""
        got = b""
        while b"\r\n\r\n" not in got:
            part = line.recv(65536)
            if not part:
                return ""
            got += part
        head, _, rest = got.partition(b"\r\n\r\n")
        size = next(
            (
                int(row.partition(b":")[2])
                for row in head.split(b"\r\n")
                if row.lower().startswith(b"content-length:")
            ),
            0,
        )
        while len(rest) < size:
            rest += line.recv(65536)
        return head.decode()


def hang(line: socket.socket, over: threading.Event) -> None:
    """Say nothing."""
    over.wait(60)


def drip(start: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Return a sin that sends this, then a byte now and then, for ever."""

    def sin(line: socket.socket, over: threading.Event) -> None:
        line.sendall(start)
        while not over.wait(0.05):
            line.sendall(b"x")

    return sin


def flood(line: socket.socket, over: threading.Event) -> None:
    """Send three gigabytes without saying so before."""
    line.sendall(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n")
    part = b"x" * 2**20
    for _ in range(3 * 1024):
        line.sendall(part)


def cut(start: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """Return a sin that sends this and breaks the connection off."""

    def sin(line: socket.socket, over: threading.Event) -> None:
        line.sendall(start)

    return sin
