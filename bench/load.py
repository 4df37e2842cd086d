"""
Requests over kept-alive connections, for a time: by `wrk` where it is installed, else by Python.

wrk (a Debian package) takes far less of the two cores that the server needs. The other way is
a process of its own around one selector, on plain sockets.
"""

from __future__ import annotations

import json
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus

from bench.processes import ROOT, BenchFailed

HOST = "127.0.0.1"
_WRK = shutil.which("wrk")
#: Prints what `Measured` needs, and makes the request.
_SCRIPT = """
wrk.method = "%(method)s"
wrk.body = %(body)s
%(headers)s
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests": %%d, "seconds": %%f, "failed": %%d, ' ..
    '"p50": %%f, "p99": %%f}\\n', summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True)
class Request:
    """The same request, over and over."""

    port: int
    path: str
    method: str = "GET"
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What came of it; latencies in milliseconds."""

    requests: int
    seconds: float
    failed: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def load(request: Request, *, connections: int, seconds: float) -> Measured:
    """
    Send a request again and again.

    Raises:
        BenchFailed: an answer of 400 or above, or none.
    """
    # wrk counts in whole seconds.
    measured = (_wrk if _WRK and seconds >= 1 else _python)(request, connections, seconds)
    if measured.failed or not measured.requests:
        raise BenchFailed(f"{request.method} {request.path}: {measured}")
    return measured


def _wrk(request: Request, connections: int, seconds: float) -> Measured:
    headers = "\n".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}"
        for name, value in request.headers.items()
    )
    values = {
        "method": request.method,
        "body": json.dumps(request.body) if request.body else "nil",
        "headers": headers,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % values)
        script.flush()
        done = subprocess.run(
            [
                *(str(_WRK), "--threads=1", f"--connections={connections}"),
                *(f"--duration={round(seconds)}s", "--timeout=10s"),
                *(f"--script={script.name}", f"http://{HOST}:{request.port}{request.path}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not results:
        raise BenchFailed(f"wrk: {done.stdout}{done.stderr}")
    return Measured(**json.loads(results[0].removeprefix("RESULT ")))


def _python(request: Request, connections: int, seconds: float) -> Measured:
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps([asdict(request), connections, seconds]),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=seconds + 60,
    )
    if done.returncode:
        raise BenchFailed(done.stderr)
    return Measured(**json.loads(done.stdout))


class _Connection:
    """One request at a time, over and over."""

    def __init__(self, port: int, message: bytes) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._message = message
        self._received = b""
        self._sent_at = 0.0

    def send(self) -> None:
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._message)

    def receive(self) -> tuple[int, float] | None:
        """Return status and seconds of an answer once it is whole."""
        data = self.socket.recv(65536)
        if not data:
            raise BenchFailed("The server closed a connection.")
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        status = int(head[9:12])
        if status != HTTPStatus.NOT_MODIFIED and not _is_whole(head.lower(), body):
            return None
        self._received = b""
        return status, time.perf_counter() - self._sent_at


def _is_whole(head: bytes, body: bytes) -> bool:
    """Return whether a body has all that its head (in lower case) says; it is not compressed."""
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    _, found, rest = head.partition(b"content-length:")
    return len(body) >= (int(rest.partition(b"\r\n")[0]) if found else 0)


def _message(request: Request) -> bytes:
    body = request.body.encode()
    headers = {"Host": HOST, **request.headers}
    if request.method != "GET":
        headers["Content-Length"] = str(len(body))
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _measure(request: Request, count: int, seconds: float) -> Measured:
    selector = selectors.DefaultSelector()
    connections = [_Connection(request.port, _message(request)) for _ in range(count)]
    took: list[float] = []
    failed = 0
    began = time.perf_counter()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
    until = began + seconds
    while time.perf_counter() < until or len(took) < 2:
        for key, _ in selector.select(timeout=1):
            answer = key.data.receive()
            if answer is not None:
                failed += answer[0] >= 400
                took.append(answer[1])
                key.data.send()
    total = time.perf_counter() - began
    for connection in connections:
        connection.socket.close()
    p99 = statistics.quantiles(took, n=100)[98] if len(took) > 1 else 0.0
    return Measured(len(took), total, failed, statistics.median(took) * 1e3, p99 * 1e3)


def main() -> None:
    """Measure what standard input asks for."""
    wanted, connections, seconds = json.load(sys.stdin)
    json.dump(asdict(_measure(Request(**wanted), connections, seconds)), sys.stdout)


if __name__ == "__main__":
    main()
