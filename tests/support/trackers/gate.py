"""A gate before a tracker, which is shut at a chosen request: there a worker can be killed."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType


class Gate:
    """
    Passes requests on to a tracker; a context.

    `shut` lets the next request that fits wait, before the tracker has seen it or after it has
    answered; `reached` is set when it stands there, and `open` lets it through. What fits
    one of `spoiled`'s patterns (of `GET /demo/rest/data/issue/7`) is answered by the gate itself, with
    a status and a body.
    """

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._netloc = place.netloc
        self.reached = threading.Event()
        self._opened = threading.Event()
        self._wanted: Callable[[str], bool] | None = None
        self.spoiled: dict[re.Pattern[str], tuple[int, bytes]] = {}
        self._after = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.netloc = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.netloc}{place.path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.open()
        self._server.shutdown()
        self._server.server_close()

    def shut(self, request: str, *, after: bool, passing: int = 0) -> None:
        """
        Shut at the next request that begins with this: `POST /demo/rest/data/msg`.

        Args:
            request: The beginning of its line.
            after: Once the tracker has answered it, not before it has seen it.
            passing: So many that fit are let through before.
        """
        self.reached.clear()
        self._opened.clear()
        self._after = after
        left = passing

        def wanted(line: str) -> bool:
            nonlocal left
            if not line.startswith(request):
                return False
            left -= 1
            return left < 0

        self._wanted = wanted

    def open(self) -> None:
        """Let everything through."""
        self._wanted = None
        self._opened.set()

    def _stop(self, line: str, *, after: bool) -> None:
        wanted = self._wanted
        if wanted is not None and after == self._after and wanted(line):
            self.reached.set()
            self._opened.wait(60)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            #: A body would wait 40 ms until its headers have been acknowledged.
            disable_nagle_algorithm = True

            def _pass(self) -> None:
                line = f"{self.command} {self.path}"
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                gate._stop(line, after=False)
                for pattern, (status, said) in gate.spoiled.items():
                    if pattern.search(line):
                        self._answer(status, [("Content-Type", "application/json")], said)
                        return
                headers = {
                    # The tracker looks whether its own pages ask.
                    name: value.replace(gate.netloc, gate._netloc)
                    for name, value in self.headers.items()
                }
                tracker = http.client.HTTPConnection(gate._netloc, timeout=30)
                # Who asks may have been killed meanwhile; the tracker may be down.
                with contextlib.suppress(OSError):
                    tracker.request(self.command, self.path, body, headers)
                    answer = tracker.getresponse()
                    text = answer.read()
                    gate._stop(line, after=True)
                    self._answer(answer.status, answer.getheaders(), text)
                tracker.close()

            def _answer(self, status: int, headers: list[tuple[str, str]], text: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in {"transfer-encoding", "connection"}:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_PATCH = _pass  # noqa: N815 - the library's names

            def log_message(self, *line: object) -> None: ...

        return Handler
