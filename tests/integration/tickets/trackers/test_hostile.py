"""What a server may do to us: each time a typed error, in bounded time and memory."""

from __future__ import annotations

import datetime as dt
import logging
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.trackers.hostile import Hostile, answer, cut, drip, flood, hang
from tickets.trackers import errors
from tickets.trackers.transport import addresses, exchange
from tickets.trackers.transport.exchange import Exchange

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SECRET = "hunter2-and-more"


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as started:
        yield started


@pytest.fixture(autouse=True)
def small(settings: Any, near_trackers: None) -> None:
    settings.TICKETS = {**settings.TICKETS, "TRACKER_ANSWER_LIMIT": 100_000}


@pytest.fixture(autouse=True)
def tells_no_secret(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Look into everything that is logged meanwhile, by whichever library."""
    caplog.set_level(logging.DEBUG)
    yield
    assert SECRET not in caplog.text


@pytest.fixture
def impatient(settings: Any, small: None) -> None:
    # For what never answers; everything else has the usual time, however busy the machine is.
    settings.TICKETS = {**settings.TICKETS, "TRACKER_TIMEOUT": dt.timedelta(seconds=0.3)}


def talk(url: str, method: str = "GET", path: str = "/") -> Any:
    headers = {"Authorization": f"Bearer {SECRET}"}
    with Exchange("Theirs", addresses.origin(url), headers) as http:
        return http.request(method, path, body=None if method == "GET" else {"a": 1})


def refused(server: Hostile, sin: Any, method: str = "GET") -> errors.TrackerError:
    """Return the error that a sin leads to; it tells nothing of the request."""
    server.sins["/"] = sin
    with pytest.raises(errors.TrackerError) as refusal:
        talk(server.url, method)
    shown = f"{refusal.value!r} {refusal.value}"
    assert SECRET not in shown
    return refusal.value


@pytest.mark.parametrize(
    "headers, seconds", [({"Retry_After": "7"}, 7), ({}, None), ({"Retry_After": "soon"}, None)]
)
def test_429_says_when_to_come_again(
    server: Hostile, headers: dict[str, str], seconds: int | None
) -> None:
    error = refused(server, answer(429, **headers))

    assert isinstance(error, errors.Throttled)
    assert error.temporary
    assert error.retry_after == (None if seconds is None else dt.timedelta(seconds=seconds))


def test_429_takes_a_date(server: Hostile) -> None:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)
    text = soon.strftime("%a, %d %b %Y %H:%M:%S GMT")

    error = refused(server, answer(429, Retry_After=text))

    assert error.retry_after is not None
    assert dt.timedelta(minutes=1) < error.retry_after <= dt.timedelta(minutes=2)


def test_a_403_of_a_rate_limit_is_one(server: Hostile) -> None:
    error = refused(server, answer(403, X_RateLimit_Remaining="0"))

    assert isinstance(error, errors.Throttled)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_being_away_may_pass(server: Hostile, status: int) -> None:
    error = refused(server, answer(status, Retry_After="9"))

    assert isinstance(error, errors.TrackerUnreachable)
    assert error.retry_after == dt.timedelta(seconds=9)


def test_being_away_does_not_last_until_a_rate_limit_ends(server: Hostile) -> None:
    # As GitHub's answers do: they all name it.
    error = refused(server, answer(502, X_RateLimit_Remaining="4999", X_RateLimit_Reset="3000"))

    assert isinstance(error, errors.TrackerUnreachable)
    assert error.retry_after is None


def test_401_does_not_pass_by_itself(server: Hostile) -> None:
    error = refused(
        server, b"HTTP/1.1 401 X\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nNo!"
    )

    assert isinstance(error, errors.CredentialsRefused)
    assert not error.temporary


@pytest.mark.parametrize(
    "sin",
    [
        hang,
        drip(b""),
        drip(HEAD),
        drip(HEAD + b"Content-Length: 50000\r\n\r\n"),
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n"),
        drip(HEAD + b"\r\n"),
    ],
    ids=["hangs", "drips", "drips headers", "drips a body", "drips chunks", "drips without end"],
)
def test_slowness_ends(server: Hostile, impatient: None, sin: Any) -> None:
    assert isinstance(refused(server, sin), errors.TrackerSlow)


def test_a_slow_handshake_ends(impatient: None) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, pytest.raises(errors.TrackerSlow):
        talk(f"https://127.0.0.1:{listener.getsockname()[1]}")


@pytest.mark.parametrize(
    "sin",
    [flood, answer(200, "x" * 200_000), HEAD + b"Content-Length: 3221225472\r\n\r\n{}"],
    ids=["floods", "is large", "says that it is large"],
)
def test_size_has_a_limit(server: Hostile, sin: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    error = refused(server, sin)

    assert isinstance(error, errors.AnswerUnusable)
    assert "100000 bytes" in str(error)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 20 * 1024  # KiB


def test_what_follows_an_answer_that_was_too_large_goes_over_another_line(server: Hostile) -> None:
    def announce(line: socket.socket, over: threading.Event) -> None:
        line.sendall(HEAD + b"Content-Length: 3221225472\r\n\r\n")
        line.recv(65536)  # whatever comes here is answered by the rest of the first one

    server.sins = {"/large": announce, "/next": answer(201)}

    with Exchange("Theirs", addresses.origin(server.url), {}) as http:
        with pytest.raises(errors.AnswerUnusable):
            http.get("/large")
        assert http.request("POST", "/next", body={}).status == 201


@pytest.mark.parametrize(
    "sin",
    [
        cut(b""),
        cut(b"HTTP/1.1 2"),
        cut(HEAD + b"Content-Length: 500\r\n\r\n{"),
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["silence", "half a line", "half a body", "another protocol", "no status", "no chunk"],
)
def test_nonsense_is_no_answer(server: Hostile, sin: Any) -> None:
    assert isinstance(refused(server, sin), errors.TrackerUnreachable)


@pytest.mark.parametrize(
    "sin", [PAGE, answer(200, "{"), answer(200, "[" * 90_000)], ids=["a page", "broken", "deep"]
)
def test_a_200_that_is_no_json_is_unusable(server: Hostile, sin: bytes) -> None:
    server.sins["/"] = sin

    with pytest.raises(errors.AnswerUnusable):
        talk(server.url).json()


def test_what_we_did_not_ask_to_be_compressed_is_unusable(server: Hostile) -> None:
    assert isinstance(refused(server, answer(200, Content_Encoding="gzip")), errors.AnswerUnusable)


class TestRedirects:
    def test_are_followed_on_the_same_host(self, server: Hostile) -> None:
        server.sins["/"] = answer(301, Location="/there?a=1")
        server.sins["/there"] = answer(200, '{"a": 1}')

        assert talk(server.url).json() == {"a": 1}
        assert server.requests[-1].split()[1] == "/there?a=1"

    def test_take_the_credentials_to_no_other_host(self, server: Hostile) -> None:
        with Hostile() as other:
            other.sins["/"] = answer(200)
            elsewhere = (f"{other.url}/", "//evil.example/", "https://evil.example:99999/", "ftp:x")
            for location in elsewhere:
                error = refused(server, answer(302, Location=location))
                assert isinstance(error, errors.AnswerUnusable), location

            assert other.requests == []

    def test_end(self, server: Hostile) -> None:
        error = refused(server, answer(302, Location="/"))

        assert isinstance(error, errors.AnswerUnusable)
        assert len(server.requests) == 4

    def test_never_repeat_a_write(self, server: Hostile) -> None:
        error = refused(server, answer(307, Location="/"), "POST")

        assert isinstance(error, errors.AnswerUnusable)
        assert len(server.requests) == 1


class TestConnecting:
    def test_to_a_port_where_nobody_is(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]

        with pytest.raises(errors.TrackerUnreachable, match="refuses the connection"):
            talk(f"http://127.0.0.1:{port}")

    def test_to_a_name_that_there_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: Any, **__: Any) -> Any:
            raise socket.gaierror

        monkeypatch.setattr(socket, "getaddrinfo", unknown)

        with pytest.raises(errors.TrackerUnreachable, match="its name is not known"):
            talk("https://a.example")

    def test_goes_to_the_address_that_was_checked(
        self, server: Hostile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.sins["/"] = answer(200)
        asked = []

        def changing(host: str, port: int, **_: Any) -> Any:
            asked.append(host)
            first = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (first, port))]

        monkeypatch.setattr(socket, "getaddrinfo", changing)
        original = exchange._opened
        reached = []

        def noting(address: Any, within: float) -> socket.socket:
            reached.append(address)
            return original(address, within)

        monkeypatch.setattr(exchange, "_opened", noting)

        assert talk(f"http://tracker.example:{server.port}").status == 200
        assert reached == [("127.0.0.1", server.port)]
        assert f"Host: tracker.example:{server.port}" in server.requests[0]
        with pytest.raises(errors.AddressRefused):
            talk(f"http://tracker.example:{server.port}")
        assert len(reached) == 1

    def test_a_private_address_behind_a_name_is_refused(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.TICKETS = {**settings.TICKETS, "TRACKER_NETWORKS": []}
        inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)

        with pytest.raises(errors.AddressRefused, match=r"10\.0\.0\.7"):
            talk("https://tracker.example")


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Path:
        """Return a certificate with its key, of `tracker.example`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tracker.example")])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(uuid4().int >> 1)
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("tracker.example")]), False)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "authority.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        return path

    @pytest.fixture
    def encrypted(self, authority: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
        """Return a server with TLS that notes which name it is asked for, at every name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority)
        with Hostile(tls=context) as started:
            started.sins["/"] = answer(200)

            def note(line: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
                started.requests.append(f"SNI {name}")

            context.sni_callback = note
            near = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", started.port))]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: near)
            yield started

    def test_asks_for_the_name_at_the_checked_address(
        self, encrypted: Hostile, authority: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusting = ssl.create_default_context(cafile=str(authority))
        monkeypatch.setattr(exchange, "_authorities", lambda: trusting)

        assert talk(f"https://tracker.example:{encrypted.port}").status == 200
        assert encrypted.requests[0] == "SNI tracker.example"
        assert f"Host: tracker.example:{encrypted.port}" in encrypted.requests[1]

    def test_refuses_a_certificate_of_another_name(
        self, encrypted: Hostile, authority: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusting = ssl.create_default_context(cafile=str(authority))
        monkeypatch.setattr(exchange, "_authorities", lambda: trusting)

        with pytest.raises(errors.TrackerUnreachable, match="certificate"):
            talk(f"https://other.example:{encrypted.port}")

    def test_refuses_a_certificate_of_nobody_known(self, encrypted: Hostile) -> None:
        with pytest.raises(errors.TrackerUnreachable, match="certificate"):
            talk(f"https://tracker.example:{encrypted.port}")


def test_a_get_survives_a_line_that_was_closed_meanwhile(server: Hostile) -> None:
    server.sins["/"] = answer(200)
    server.sins["/bye"] = cut(answer(200, '{"a": 1}'))

    with Exchange("Theirs", addresses.origin(server.url), {}) as http:
        assert http.get("/bye").json() == {"a": 1}
        assert http.get("/").status == 200


def test_a_write_that_was_cut_off_is_not_repeated(server: Hostile) -> None:
    server.sins["/"] = answer(200)
    server.sins["/write"] = cut(b"")

    with Exchange("Theirs", addresses.origin(server.url), {}) as http:
        http.get("/")
        with pytest.raises(errors.TrackerUnreachable):
            http.request("POST", "/write", body={})

    assert sum("/write" in head for head in server.requests) == 1
