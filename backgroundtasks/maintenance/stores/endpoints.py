"""
Where a registered S3 store may be: the host that its operator named, at an address that is allowed.

Names are looked up when a socket is opened, each address is judged, and the socket goes to one that
was: an answer that changes meanwhile changes nothing, and a server that sends a client elsewhere
is not followed.
"""

from __future__ import annotations

import importlib
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from backgroundtasks import addresses, conf


class EndpointRefused(Exception):
    """Nothing of ours connects there; the text says why, for people."""


def require(url: str) -> None:
    """
    Refuse the address that a URL names; of a name it is known when a socket is opened.

    Raises:
        EndpointRefused: it is none that we connect to.
    """
    address = addresses.literal(urlsplit(url).hostname or "")
    if address is not None and (reason := _refusal(address)):
        raise EndpointRefused(reason)


def resolved(host: str, port: int) -> list[str]:
    """
    Return the addresses of a host that may be connected to, as the resolver orders them.

    Raises:
        OSError: its name is not known.
        EndpointRefused: it has addresses, but none is allowed.
    """
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    reasons = {one: _refusal(ipaddress.ip_address(one.partition("%")[0])) for one in found}
    allowed = [one for one, reason in reasons.items() if reason is None]
    if not allowed:
        raise EndpointRefused(next(filter(None, reasons.values()), f"{host} has no address."))
    return allowed


def guard(client: Any, url: str) -> None:
    """
    Let a client of boto3 connect to the host of its endpoint alone, at allowed addresses.

    Behind a proxy that the environment names, that decides which addresses there are.
    """
    pools = _pools(urlsplit(url).hostname or "")
    session = client._endpoint.http_session  # noqa: SLF001 - botocore takes no classes of ours
    session._pool_classes_by_scheme = pools  # noqa: SLF001 - likewise, for proxies
    session._manager.pool_classes_by_scheme = pools  # noqa: SLF001 - urllib3's public attribute


def _pools(host: str) -> dict[str, type]:
    """Return urllib3's pools by scheme, with connections to one host."""
    awsrequest = importlib.import_module("botocore.awsrequest")  # of an optional package

    class Guarded:
        """Opens sockets to addresses that were judged."""

        def _new_conn(self: Any) -> Any:
            if self.proxy is not None:
                return super()._new_conn()  # type: ignore[misc]
            named = self._dns_host
            if named.casefold() != host.casefold():
                raise EndpointRefused(f"The server leads to another host, {named[:100]!r}.")
            failed: Exception | None = None
            try:
                for address in resolved(named, self.port):
                    # What the certificate must be of stays the name.
                    self._dns_host = address
                    try:
                        return super()._new_conn()  # type: ignore[misc]
                    except OSError as error:
                        failed = error
            finally:
                self._dns_host = named
            raise failed or OSError(named)

    plain, secure = awsrequest.AWSHTTPConnectionPool, awsrequest.AWSHTTPSConnectionPool
    return {
        scheme: type(
            f"Guarded{pool.__name__}",
            (pool,),
            {"ConnectionCls": type("GuardedConnection", (Guarded, pool.ConnectionCls), {})},
        )
        for scheme, pool in (("http", plain), ("https", secure))
    }


def _refusal(address: addresses.Address) -> str | None:
    return addresses.refusal(address, conf.S3_NETWORKS, "S3_NETWORKS")
