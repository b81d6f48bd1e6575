"""Where webhooks may go. A subscriber's address must not become a way into our own network (SSRF).

Names are resolved by us, once for each connection, and the connection goes to the very address that was
checked: a name that answers differently the second time gains nothing. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import httpcore

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# They carry an IPv4 address inside, and Python calls them global whatever that is: NAT64, Teredo, 6to4.
_CARRIERS = tuple(ip_network(text) for text in ("64:ff9b::/96", "2001::/32", "2002::/16"))
MAX_PORT = 65_535


class AddressRefusedError(Exception):
    """The text says what is wrong with the address."""


@dataclass(frozen=True, slots=True)
class Guard:
    """`networks` are private ones in which subscribers may stand; plain HTTP is allowed there alone."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> Guard:
        """From "10.20.0.0/16, fd00::/8". Raises ValueError."""
        return cls(tuple(ip_network(part.strip()) for part in text.split(",") if part.strip()))

    def trusts(self, address: Address) -> bool:
        return any(address in network for network in self.networks if network.version == address.version)

    def allows(self, address: Address, *, encrypted: bool) -> bool:
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            return self.allows(address.ipv4_mapped, encrypted=encrypted)
        if self.trusts(address):
            return True
        carried = any(address in network for network in _CARRIERS if network.version == address.version)
        return encrypted and address.is_global and not address.is_multicast and not carried

    def check_url(self, url: str) -> None:
        """What can be said without asking the DNS. Raises AddressRefusedError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise AddressRefusedError("not an address") from error
        if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
            raise AddressRefusedError("expected https://host/path")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise AddressRefusedError("no user, password or fragment is allowed")
        encrypted = parts.scheme == "https"
        literal = _literal(parts.hostname)
        if literal is not None and not self.allows(literal, encrypted=encrypted):
            raise AddressRefusedError("the address lies outside of the networks that are allowed")
        if literal is None and not encrypted and not self.networks:
            raise AddressRefusedError("plain HTTP is allowed in trusted networks only")

    def choose(self, found: Iterable[str], *, encrypted: bool) -> Sequence[str]:
        """Those that are allowed, in the resolver's order. Raises AddressRefusedError if none is."""
        allowed = [text for text in found if self.allows(ip_address(text), encrypted=encrypted)]
        if not allowed:
            raise AddressRefusedError("the name leads nowhere that is allowed")
        return allowed


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """The one place where webhooks connect. `encrypted` of a connection is known by its scheme's pool."""

    def __init__(self, guard: Guard, *, encrypted: bool) -> None:
        self._guard = guard
        self._encrypted = encrypted
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys(str(info[4][0]) for info in found)
        (first, *_) = self._guard.choose(addresses, encrypted=self._encrypted)
        return await self._backend.connect_tcp(first, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
