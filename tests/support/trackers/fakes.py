"""HTTP for trackers that cannot be run here: requests are kept, and answered from memory."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    #: Unquoted as it came.
    path: str
    query: dict[str, str]
    #: Names in lower case.
    headers: dict[str, str]
    #: JSON; None without one.
    body: Any


@dataclass(frozen=True)
class Said:
    """What is answered."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """Ends a request with this answer."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.status)
        self.said = said


class FakeServer(ABC):
    """A server on a port of its own; a context."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=[0.05], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.stop()

    @abstractmethod
    def answer(self, asked: Asked) -> Said:
        """Return what this tracker says; called by one thread at a time."""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            #: A body would wait 40 ms until its headers have been acknowledged.
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                size = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(size)
                found = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    found.path,
                    dict(parse_qsl(found.query, keep_blank_values=True)),
                    {name.lower(): value for name, value in self.headers.items()},
                    json.loads(raw) if raw else None,
                )
                with fake._lock:
                    fake.requests.append(asked)
                    try:
                        said = fake.answer(asked)
                    except Refusal as refusal:
                        said = refusal.said
                payload = b"" if said.body is None else json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in said.headers.items():
                    self.send_header(name, value)
                if payload:
                    self.send_header("Content-Type", "application/json;charset=UTF-8")
                if said.status != 204:
                    self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
                self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
