"""
One operation's conversation with a tracker: one socket, one deadline.

Three limits: to connect (`TRACKER_CONNECT_TIMEOUT`), between two bytes
(`TRACKER_READ_TIMEOUT`), and for everything together (`TRACKER_TIMEOUT`). The last one is
kept by a timer that shuts the socket, so that a server which sends a byte now and then, in
the handshake, the headers or the body, gains nothing by it.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, urlencode, urljoin, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from tickets import conf
from tickets.trackers import errors
from tickets.trackers.transport import addresses
from tickets.trackers.transport.answer import Answer
from tickets.trackers.transport.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from types import TracebackType

    from urllib3.response import HTTPResponse

    from tickets.trackers.transport.addresses import Origin

_CHUNK: Final = 64 * 1024
#: Redirects on one host that a GET follows.
_HOPS: Final = 3
_REDIRECTS: Final = {301, 302, 303, 307, 308}
#: It may be back soon.
_AWAY: Final = {500, 502, 503, 504}
#: What a socket, TLS, http.client and urllib3 raise.
_BROKEN: Final = (OSError, HTTPException, HTTPError, ValueError)


class Exchange:
    """
    Requests to one tracker; a context that closes the socket at its end.

    Args:
        tracker: What people call it, for texts.
        origin: Where it lives; no request goes anywhere else.
        headers: Of every request: the credentials, for instance.
        within: All requests together; None: `TRACKER_TIMEOUT`.
    """

    def __init__(
        self,
        tracker: str,
        origin: Origin,
        headers: Mapping[str, str],
        within: timedelta | None = None,
    ) -> None:
        self.tracker = tracker
        self.origin = origin
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # what is small on the wire is small in memory
            "User-Agent": "task-center",
            **headers,
        }
        longest = conf.TRACKER_TIMEOUT if within is None else min(within, conf.TRACKER_TIMEOUT)
        self._until = time.monotonic() + longest.total_seconds()
        self._line: HTTPConnection | None = None
        self._watch: _Watch | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hang_up()

    def get(self, path: str, query: Query | None = None, **headers: str) -> Answer:
        """Return the answer to a GET; redirects on the tracker's own host are followed."""
        return self.request("GET", path, query=query, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Return the tracker's answer, whatever its status is besides those below.

        Args:
            method: `GET`, `POST` …
            path: Below the base URL, beginning with a slash, quoted.
            query: Names and values; None for none.
            body: JSON; None for none.
            headers: Of this request.

        Raises:
            CredentialsRefused: 401.
            Throttled: 429, or 403 for too many requests.
            TrackerUnreachable: no connection, or 500, 502, 503, 504.
            TrackerSlow: a limit of time has passed.
            AnswerTooLarge: it has more bytes than `TRACKER_ANSWER_LIMIT`.
            AnswerUnusable: compressed, or a redirect to elsewhere.
            AddressRefused: the name stands for an address that is not allowed.
        """
        target = f"{self.origin.path}{path}"
        if query:
            target += f"?{urlencode(query, quote_via=quote)}"
        payload = None if body is None else json.dumps(body).encode()
        sent = {**self._headers, **(headers or {})}
        if payload is not None:
            sent["Content-Type"] = "application/json"
        for _ in range(_HOPS + 1):
            answer = self._sent(method, target, payload, sent)
            if answer.status not in _REDIRECTS:
                return self._judged(answer)
            target = self._next(method, target, answer)
        raise errors.AnswerUnusable(self.tracker, "it redirects in a loop")

    def _sent(
        self, method: str, target: str, payload: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send, again where a GET met a line that the tracker had closed, and take all of it."""
        was_open = self._line is not None
        try:
            return self._once(method, target, payload, headers)
        except _BROKEN as broken:
            self._hang_up()
            if not (was_open and method == "GET") or self._left() <= 0:
                raise self._meant(broken) from None
        try:
            return self._once(method, target, payload, headers)
        except _BROKEN as broken:
            self._hang_up()
            raise self._meant(broken) from None

    def _once(
        self, method: str, target: str, payload: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        line = self._connected()
        if line.sock is not None:
            line.sock.settimeout(min(conf.TRACKER_READ_TIMEOUT.total_seconds(), self._left()))
        line.request(method, target, payload, headers, preload_content=False, decode_content=False)
        answer = line.getresponse()
        found = {name.lower(): value for name, value in answer.headers.items()}
        try:
            body = self._body(answer, found)
        except BaseException:
            answer.close()  # it holds the socket open while the error is on its way
            self._hang_up()  # the rest of it would be taken for the next answer
            raise
        if self._left() <= 0:
            raise TimeoutError  # what looks like the end of a body was our own timer
        if found.get("content-encoding", "identity").lower() != "identity":
            raise errors.AnswerUnusable(self.tracker, "it is compressed, which we did not ask for")
        return Answer(self.tracker, answer.status, found, body)

    def _body(self, answer: HTTPResponse, headers: Mapping[str, str]) -> bytes:
        limit = conf.TRACKER_ANSWER_LIMIT
        declared = headers.get("content-length", "")
        parts: list[bytes] = []
        size = 0
        too_large = declared.isascii() and declared.isdigit() and int(declared) > limit
        while not too_large and (part := answer.read(_CHUNK)):
            parts.append(part)
            size += len(part)
            too_large = size > limit
        if too_large:
            raise errors.AnswerTooLarge(self.tracker, limit)
        return b"".join(parts)

    def _connected(self) -> HTTPConnection:
        """Return the line, a new one when the tracker has closed the last one."""
        if self._line is not None and self._line.is_connected:
            return self._line
        self._hang_up()
        if self._left() <= 0:
            raise TimeoutError
        self._watch = _Watch(self._left())
        self._line = _line(self.origin, self._dial)
        self._line.connect()
        return self._line

    def _dial(self) -> socket.socket:
        """Open a socket to one of the host's addresses that is allowed, and watch it."""
        longest = conf.TRACKER_CONNECT_TIMEOUT.total_seconds()
        until = time.monotonic() + min(longest, self._left())
        problem: OSError | None = None
        try:
            for address in addresses.resolve(
                self.origin.host, self.origin.port, until - time.monotonic()
            ):
                left = until - time.monotonic()
                if left <= 0:
                    break
                try:
                    opened = _opened(address, left)
                except OSError as refused:
                    problem = refused
                    continue
                if self._watch is not None:
                    self._watch.over(opened)
                return opened
        except ValueError as refused:
            raise errors.AddressRefused(self.tracker, str(refused)) from None
        raise problem or TimeoutError

    def _hang_up(self) -> None:
        if self._watch is not None:
            self._watch.end()
            self._watch = None
        if self._line is not None:
            self._line.close()
            self._line = None

    def _left(self) -> float:
        """Return the seconds until the deadline; none or less once it has passed."""
        return float(self._until - time.monotonic())

    def _next(self, method: str, target: str, answer: Answer) -> str:
        """Return the path that a redirect leads to."""
        here = f"{self.origin.scheme}://{self.origin.netloc}{target}"
        url = urljoin(here, answer.headers.get("location", ""))
        if not self.origin.is_of(url):
            host = urlsplit(url).hostname if url.isascii() else None
            where = f"to {errors.shown(host)}" if host else "to another place"
            raise errors.AnswerUnusable(self.tracker, f"it redirects {where}")
        if method != "GET":
            raise errors.AnswerUnusable(self.tracker, "it redirects what should be written")
        found = urlsplit(url)
        return found.path + (f"?{found.query}" if found.query else "")

    def _judged(self, answer: Answer) -> Answer:
        """Return the answer unless its status says the same whatever was asked."""
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise errors.CredentialsRefused(self.tracker, answer.detail())
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS or _is_limit(answer):
            raise errors.Throttled(self.tracker, retry_after(answer.headers))
        if answer.status in _AWAY:
            reason = f"it answers with {answer.status}"
            wait = retry_after(answer.headers, limited=False)
            raise errors.TrackerUnreachable(self.tracker, reason, wait)
        return answer

    def _meant(self, broken: Exception) -> errors.TrackerError:
        """Return what a broken connection means, in words that hold nothing of the request."""
        if isinstance(broken, TimeoutError) or self._left() <= 0 or "timed out" in str(broken):
            return errors.TrackerSlow(self.tracker, "it did not answer in time")
        if isinstance(broken, ssl.SSLCertVerificationError):
            return errors.TrackerUnreachable(
                self.tracker, f"its certificate is not valid ({broken.verify_message})"
            )
        if isinstance(broken, ssl.SSLError):
            return errors.TrackerUnreachable(self.tracker, "it speaks no TLS that we speak")
        if isinstance(broken, ConnectionRefusedError):
            return errors.TrackerUnreachable(self.tracker, "it refuses the connection")
        if isinstance(broken, ConnectionError) or not isinstance(broken, OSError):
            return errors.TrackerUnreachable(self.tracker, "it broke the connection off")
        return errors.TrackerUnreachable(self.tracker, broken.strerror or str(broken))


#: Names and values of a query string; a name may come more than once.
Query = dict[str, str] | list[tuple[str, str]]


class _Watch:
    """Shuts sockets at the deadline, whoever waits on them, in whichever layer."""

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._timer.start()

    def over(self, opened: socket.socket) -> None:
        # A duplicate: TLS takes the descriptor of the original away.
        with self._lock:
            self._sockets.append(opened.dup())

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            for held in self._sockets:
                held.close()
            self._sockets.clear()

    def _shut(self) -> None:
        with self._lock:
            for held in self._sockets:
                try:
                    held.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has ended by itself


def _opened(address: tuple[str, int], within: float) -> socket.socket:
    """Return a socket to a written address; nothing looks a name up any more."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(within)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.connect(address)
    except BaseException:
        opened.close()
        raise
    return opened


def _is_limit(answer: Answer) -> bool:
    """Return whether a 403 means "too many requests", as GitHub's does."""
    return answer.status == HTTPStatus.FORBIDDEN and (
        "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    )


def _line(origin: Origin, dial: Any) -> HTTPConnection:
    """
    Return a connection that opens its socket by `dial`.

    The host stays the name: it is what the certificate is compared with, and what the
    `Host` header and SNI say.
    """
    timeout = conf.TRACKER_CONNECT_TIMEOUT.total_seconds()
    if origin.scheme == "https":
        return _Encrypted(origin.host, origin.port, dial=dial, timeout=timeout)
    return _Plain(origin.host, origin.port, dial=dial, timeout=timeout)


class _Plain(HTTPConnection):
    """HTTP over a socket that somebody else opens; urllib3's own SOCKS does it the same way."""

    def __init__(self, *args: Any, dial: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        opened: socket.socket = self._dial()
        return opened


class _Encrypted(HTTPSConnection):
    """The same with TLS, by the machine's own list of authorities."""

    def __init__(self, *args: Any, dial: Any, **kwargs: Any) -> None:
        super().__init__(*args, ssl_context=_authorities(), **kwargs)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        opened: socket.socket = self._dial()
        return opened


@lru_cache(maxsize=1)
def _authorities() -> ssl.SSLContext:
    """Return the machine's authorities (`SSL_CERT_FILE` names others); reading them takes 20 ms."""
    return ssl.create_default_context()


def segments(parts: Iterable[str]) -> str:
    """Return a path of parts, each quoted so that it stays one part."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)
