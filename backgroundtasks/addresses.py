"""
Which addresses we connect to when somebody typed where: never those where a cloud tells secrets.

A URL that people type could name what only this machine can reach. Whoever opens a socket for one
looks its name up, asks here, and connects to the address that was judged.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Never, whatever the settings allow: here a cloud tells a machine its secrets, and the rest
#: is no single machine's address.
NEVER: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, with AWS', Google's and Azure's metadata
        "100.100.100.200/32",  # Alibaba's
        "168.63.129.16/32",  # Azure's
        "192.0.0.192/32",  # Oracle's
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fd00:ec2::254/128",  # AWS'
        "fd20:ce::254/128",  # Google's
        "ff00::/8",
    )
)
#: Prefixes whose addresses carry an IPv4 address that a gateway leads to.
_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


def refusal(address: Address, networks: Iterable[str], setting: str) -> str | None:
    """
    Return why we do not connect to an address; None when we do.

    Args:
        address: It.
        networks: Allowed besides the public ones.
        setting: What names them, for the text.
    """
    address = _meant(address)
    if _is_in(address, NEVER):
        return f"The address {address} is one that is never connected to."
    allowed = (ipaddress.ip_network(network, strict=False) for network in networks)
    if address.is_global or _is_in(address, allowed):
        return None
    return f"The address {address} is not public, and {setting} does not name it."


def literal(host: str) -> Address | None:
    """Return the address that a host is; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
