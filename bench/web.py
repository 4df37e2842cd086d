"""The web server as `make up` starts it, with the settings of one side."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.installation import OURS, STOCK
from bench.load import HOST, Measured, Request, load
from bench.processes import BenchFailed, Service, wait_for

if TYPE_CHECKING:
    from bench.installation import Installation

BARE = "bench.stock.bare_settings"
CONNECTIONS = 8
__all__ = ["BARE", "CONNECTIONS", "OURS", "STOCK", "Web", "serve"]


@dataclass(frozen=True)
class Web:
    """A running web server."""

    service: Service
    port: int
    headers: dict[str, str]

    def request(self, path: str, **more: Any) -> Request:
        """Return a request of whoever this server knows."""
        headers = {**self.headers, **more.pop("headers", {})}
        return Request(self.port, path, headers=headers, **more)

    def post(self, path: str, body: Any) -> Request:
        """Return a POST of JSON."""
        return self.request(
            path,
            method="POST",
            body=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )

    def answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        """Send a request once; return status, headers in lower case, body."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(
                request.method, request.path, request.body or None, dict(request.headers)
            )
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return response.status, headers, response.read()
        finally:
            connection.close()

    def rate(self, request: Request, *, seconds: float, connections: int = CONNECTIONS) -> float:
        """Return the requests a second."""
        return self.load(request, seconds=seconds, connections=connections).rate

    def load(self, request: Request, *, seconds: float, connections: int = CONNECTIONS) -> Measured:
        """Send a request again and again."""
        self.service.require_life()
        return load(replace(request, port=self.port), connections=connections, seconds=seconds)

    @contextmanager
    def streams(self, paths: list[str]) -> Iterator[None]:
        """Keep a stream of each path open meanwhile."""
        with ExitStack() as stack:
            for path in paths:
                wait_for(lambda path=path: self._opened(stack, path), f"a stream of {path}")  # type: ignore[misc]
            yield

    def _opened(self, stack: ExitStack, path: str) -> bool:
        """Open a stream; a process that has enough of them refuses, the other one may not."""
        stream = socket.create_connection((HOST, self.port), timeout=10)
        lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        status = stream.recv(4096)[9:12]
        if status == b"200":
            stack.callback(stream.close)
            return True
        stream.close()
        if status != b"503":
            raise BenchFailed(f"GET {path}: {status.decode()}")
        return False


@contextmanager
def serve(
    installation: Installation, settings: str, *, token: str = "", processes: int | None = None
) -> Iterator[Web]:
    """Start a web server on a free port; it is warmed up by what asks whether it lives."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    with installation.service(
        "web",
        *("-m", "scripts.web"),
        settings=settings,
        PORT=str(port),
        WEB_PROCESSES=str(processes or installation.processes),
    ) as service:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        web = Web(service, port, headers)

        def answers() -> bool:
            service.require_life()
            try:
                return web.answer(web.request("/livez"))[0] == 200
            except OSError:
                return False

        wait_for(answers, "the web server to answer", pause=0.1)
        yield web
