from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Any

import pytest

from tickets.trackers.transport import addresses

ALLOWED = ["10.0.0.0/8", "127.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0"]


@pytest.fixture
def allow(settings: Any) -> Any:
    def change(networks: list[str], *, http: bool = False) -> None:
        settings.TICKETS = {"TRACKER_NETWORKS": networks, "TRACKER_HTTP": http}

    return change


class TestOrigin:
    def test_has_the_parts_of_a_base_url(self) -> None:
        found = addresses.origin("https://Jira.Example.org:8443/jira/")

        assert (found.scheme, found.host, found.port) == ("https", "jira.example.org", 8443)
        assert found.path == "/jira"
        assert str(found) == "https://jira.example.org:8443/jira"

    def test_writes_names_of_other_alphabets_as_the_network_does(self) -> None:
        assert addresses.origin("https://bücher.example").host == "xn--bcher-kva.example"

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "jira.example.org",
            "ftp://jira.example.org",
            "file:///etc/passwd",
            "https://",
            "https://jira.example.org:99999",
            "https://jira.example.org/?a=b",
            "https://jira.example.org/#a",
            "https://jira.example.org/a b",
            "https://jira.example.org\\@evil.example",
            "https://[::1",
            "http://jira.example.org",
            "https://" + "ü" * 300 + ".example",
        ],
    )
    def test_refuses_what_is_no_base_url(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"^The base URL "):
            addresses.origin(url)

    def test_takes_http_where_the_installation_does(self, allow: Any) -> None:
        allow([], http=True)

        assert addresses.origin("http://jira.example.org").port == 80

    def test_repeats_no_password(self) -> None:
        with pytest.raises(ValueError) as refusal:
            addresses.origin("https://bot:hunter2@jira.example.org")

        assert "hunter2" not in str(refusal.value)
        assert "user name or password" in str(refusal.value)

    def test_refuses_a_written_address_at_once(self) -> None:
        with pytest.raises(ValueError, match=r"169\.254\.169\.254"):
            addresses.origin("https://169.254.169.254/latest")


class TestRefusal:
    @pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
    def test_lets_public_ones_through(self, address: str) -> None:
        assert addresses.refusal(ipaddress.ip_address(address)) is None

    @pytest.mark.parametrize(
        "address", ["10.1.2.3", "192.168.0.1", "172.16.0.1", "127.0.0.1", "::1", "fd00::1"]
    )
    def test_refuses_private_ones_that_the_setting_does_not_name(self, address: str) -> None:
        assert "TRACKER_NETWORKS" in (addresses.refusal(ipaddress.ip_address(address)) or "")

    def test_lets_private_ones_through_that_the_setting_names(self, allow: Any) -> None:
        allow(["10.0.0.0/8", "fd00::/8"])

        assert addresses.refusal(ipaddress.ip_address("10.1.2.3")) is None
        assert addresses.refusal(ipaddress.ip_address("::ffff:10.1.2.3")) is None
        assert addresses.refusal(ipaddress.ip_address("fd00::1")) is None
        assert addresses.refusal(ipaddress.ip_address("192.168.0.1"))

    @pytest.mark.parametrize(
        "address",
        [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
            "::",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ],
    )
    def test_never_lets_these_through(self, allow: Any, address: str) -> None:
        allow(ALLOWED)

        assert addresses.refusal(ipaddress.ip_address(address))

    @pytest.mark.parametrize("address", ["64:ff9b::a00:1", "2002:a00:1::1", "::ffff:10.0.0.1"])
    def test_sees_through_what_carries_a_private_one(self, address: str) -> None:
        assert "10.0.0.1" in (addresses.refusal(ipaddress.ip_address(address)) or "")


class TestResolve:
    @staticmethod
    def answer(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
        entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in found]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)

    def test_leaves_out_what_is_not_allowed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer(monkeypatch, "10.0.0.1", "93.184.216.34", "169.254.169.254")

        assert list(addresses.resolve("a.example", 443, 1)) == [("93.184.216.34", 443)]

    def test_refuses_a_name_that_is_only_inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer(monkeypatch, "10.0.0.1")

        with pytest.raises(ValueError, match=r"10\.0\.0\.1"):
            list(addresses.resolve("a.example", 443, 1))

    def test_does_not_wait_for_a_resolver_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        over = threading.Event()

        def ask(*_: Any, **__: Any) -> list[Any]:
            over.wait(60)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", ask)
        try:
            with pytest.raises(TimeoutError):
                list(addresses.resolve("a.example", 443, 0.05))
        finally:
            over.set()
