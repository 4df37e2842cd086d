"""
Where we go: which base URLs, and which addresses their names may stand for.

A base URL is what an account's people type, so it could name what only this machine can
reach. Names are looked up here, once for each connection, and the socket is opened to the
address that was checked: an answer that changes in between changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from backgroundtasks import addresses
from backgroundtasks.addresses import Address, literal
from tickets import conf
from tickets.trackers import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a base URL, and the path below which the tracker lives."""

    scheme: str
    host: str
    port: int
    #: `/jira`; empty at the root. Never ends with a slash.
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.path}"

    @property
    def netloc(self) -> str:
        """The host as the `Host` header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _SCHEMES[self.scheme] else f"{host}:{self.port}"

    def is_of(self, url: str) -> bool:
        """Return whether a URL is one of this host, by the same scheme and port."""
        try:
            found = urlsplit(url)
            port = found.port or _SCHEMES.get(found.scheme)
        except ValueError:
            return False
        here = (self.scheme, self.host, self.port)
        return (found.scheme, (found.hostname or "").rstrip("."), port) == here


def origin(base_url: str) -> Origin:
    """
    Return the parts of a base URL.

    Raises:
        ValueError: it is none that we go to; the text says why, without repeating the URL,
            which may hold a password.
    """
    if any(ord(letter) <= ord(" ") or letter == "\\" for letter in base_url):
        raise ValueError("The base URL holds spaces or letters that no URL may hold.")
    try:
        found = urlsplit(base_url)
        port = found.port
    except ValueError:
        raise ValueError("The base URL is none: https://host/path.") from None
    _refuse_what_no_base_url_has(found.scheme, found.hostname, found.query or found.fragment)
    if found.username is not None or found.password is not None:
        raise ValueError("The base URL may hold no user name or password: they have fields.")
    if found.scheme == "http" and not conf.TRACKER_HTTP:
        raise ValueError("The base URL must begin with https:// (TRACKER_HTTP would allow http).")
    host = _ascii((found.hostname or "").rstrip("."))
    address = literal(host)
    if address is not None and (reason := refusal(address)):
        raise ValueError(reason)
    return Origin(found.scheme, host, port or _SCHEMES[found.scheme], found.path.rstrip("/"))


def refusal(address: Address) -> str | None:
    """Return why we do not connect to an address; None when we do."""
    return addresses.refusal(address, conf.TRACKER_NETWORKS, "TRACKER_NETWORKS")


def resolve(host: str, port: int, within: float) -> Iterator[tuple[str, int]]:
    """
    Yield the addresses of a host that may be connected to, as the resolver orders them.

    Raises:
        OSError: the name has no address, or the resolver took longer than `within` seconds.
        ValueError: it has addresses, but none of them is allowed; the text says why.
    """
    found = list(dict.fromkeys(_looked_up(host, port, within)))
    reasons = {address: refusal(ipaddress.ip_address(address)) for address in found}
    if found and all(reasons.values()):
        raise ValueError(next(iter(reasons.values())) or "")
    yield from ((address, port) for address, reason in reasons.items() if reason is None)


def _looked_up(host: str, port: int, within: float) -> list[str]:
    """Ask the resolver in a thread: it knows no time limit."""
    if literal(host) is not None:
        return [host]
    answers: list[list[str]] = []

    def ask() -> None:
        # An error leaves no answer, which says enough.
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        answers.append([str(entry[4][0]).partition("%")[0] for entry in found])

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(within)
    if thread.is_alive():
        raise TimeoutError("its name was not resolved in time")
    if not answers or not answers[0]:
        raise OSError("its name is not known")
    return answers[0]


def _refuse_what_no_base_url_has(scheme: str, host: str | None, rest: str) -> None:
    if scheme not in _SCHEMES or not host:
        raise ValueError("The base URL must begin with https:// and a host.")
    if rest:
        raise ValueError("The base URL may have no ? and no #.")


def _ascii(host: str) -> str:
    try:
        return host if ":" in host else host.encode("idna").decode().lower()
    except UnicodeError:
        raise ValueError("The base URL has a host that is no name.") from None


def require(base_url: str, tracker: str) -> Origin:
    """
    Return the parts of a base URL.

    Raises:
        AddressRefused: it is none that we go to.
    """
    try:
        return origin(base_url)
    except ValueError as problem:
        raise errors.AddressRefused(tracker, str(problem)) from None
