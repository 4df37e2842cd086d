"""Where a registered S3 store may be: no metadata, nothing of this machine, no other host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from backgroundtasks import conf, operations, queries
from backgroundtasks.handlers import Actor
from backgroundtasks.maintenance import errors, stores
from backgroundtasks.maintenance.stores import endpoints, wanted
from backgroundtasks.models import Account, BackupStore
from tests.support import factories

pytest.importorskip("boto3")
pytestmark = pytest.mark.django_db

KEYS = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "a-well-kept-secret-key"}


@pytest.fixture
def root() -> Actor:
    account = Account.objects.create(name="System", is_system=True)
    return queries.actor_of(factories.UserFactory.create(is_superuser=True), account.pk)


@pytest.fixture
def usual(settings: Any) -> None:
    """Let the networks be what they are where nobody sets them."""
    networks = {"S3_NETWORKS": conf.DEFAULTS["S3_NETWORKS"]}
    settings.TASKCENTER = {**settings.TASKCENTER, **networks}


def wish(url: str) -> dict[str, str]:
    return {"bucket": "backups", "endpoint_url": url, "region": "eu-central-1"}


def register(root: Actor, url: str) -> None:
    operations.register_store(root, "cloud", "s3", wish(url), KEYS)


@contextmanager
def listening(status: int = 200, **headers: str) -> Iterator[tuple[int, list[str]]]:
    """Answer everything alike; give the port, and the paths that are asked for."""
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    for method in ("GET", "PUT", "HEAD", "DELETE", "POST"):
        setattr(Answers, f"do_{method}", Answers.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "100.100.100.200"),
        *("0.0.0.0", "[fe80::1]", "[64:ff9b::a9fe:a9fe]"),
    ],
)
def test_is_never_a_metadata_or_link_local_address(host: str, settings: Any) -> None:
    settings.TASKCENTER = {**settings.TASKCENTER, "S3_NETWORKS": ("0.0.0.0/0", "::/0")}

    with pytest.raises(errors.StoreInvalid, match="is one that is never connected to"):
        wanted.checked_settings("s3", wish(f"http://{host}:9000"))


@pytest.mark.usefixtures("usual")
class TestUsually:
    @pytest.mark.parametrize("host", ["10.1.2.3", "192.168.0.9", "[fd12::1]", "minio.example"])
    def test_may_be_in_a_private_network(self, host: str) -> None:
        assert wanted.checked_settings("s3", wish(f"http://{host}:9000"))

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
    def test_is_not_this_machine(self, host: str) -> None:
        with pytest.raises(errors.StoreInvalid, match="S3_NETWORKS does not name it"):
            wanted.checked_settings("s3", wish(f"http://{host}:9000"))

    def test_nothing_is_sent_to_a_name_that_leads_to_this_machine(self, root: Actor) -> None:
        with (
            listening() as (port, asked),
            pytest.raises(errors.StoreUnreachable, match="S3_NETWORKS does not name it"),
        ):
            register(root, f"http://localhost:{port}")

        assert asked == []
        assert not BackupStore.objects.exists()


def test_a_name_that_leads_elsewhere_later_is_not_followed(
    root: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as (port, asked):
        row = BackupStore.objects.create(
            name="cloud",
            kind="s3",
            settings=wish(f"http://store.example:{port}"),
            credentials=wanted.checked_credentials("s3", KEYS),
        )
        meant = "127.0.0.1"
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda _host, port, *_, **__: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (meant, port))
            ],
        )
        store = stores.get(row.name)
        assert store.names() == []
        before = len(asked)
        # Those that are kept open are not looked up again.
        store._client._endpoint.http_session._manager.clear()  # type: ignore[attr-defined]
        meant = "169.254.169.254"

        with pytest.raises(errors.StoreUnreachable, match="is one that is never connected to"):
            store.names()

    assert (before, len(asked)) == (1, 1)


@pytest.mark.parametrize("status", [301, 307])
def test_a_server_that_sends_elsewhere_is_not_followed(root: Actor, status: int) -> None:
    with (
        listening() as (other, elsewhere),
        listening(
            status,
            Location=f"http://localhost:{other}/backups/x",
            x_amz_bucket_region="us-west-2",
        ) as (port, asked),
        pytest.raises(errors.StoreUnreachable),
    ):
        register(root, f"http://127.0.0.1:{port}")

    assert asked
    assert elsewhere == []


def test_a_client_connects_to_no_host_but_its_endpoints(root: Actor) -> None:
    with listening() as (port, asked):
        BackupStore.objects.create(
            name="cloud",
            kind="s3",
            settings=wish(f"http://127.0.0.1:{port}"),
            credentials=wanted.checked_credentials("s3", KEYS),
        )
        client = stores.get("cloud")._client  # type: ignore[attr-defined]
        manager = client._endpoint.http_session._manager

        with pytest.raises(endpoints.EndpointRefused, match="another host, 'localhost'"):
            manager.urlopen("GET", f"http://localhost:{port}/", retries=False)

    assert asked == []
