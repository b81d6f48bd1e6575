"""Datagrams among agents: who is heard, also where no connection holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Heartbeats(asyncio.DatagramProtocol):
    """Says "here" to every peer and remembers when each was heard.

    Evidence of one-way cuts and of nothing else: a datagram proves little, so no decision to act rests on it.
    """

    def __init__(self, name: str, peers: dict[str, str], port: int, monotonic: Callable[[], float]) -> None:
        self._name, self._peers, self._port, self._monotonic = name.encode(), peers, port, monotonic
        self._heard: dict[str, float] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        name = data.decode(errors="replace")
        if self._peers.get(name) == addr[0]:
            self._heard[name] = self._monotonic()

    def error_received(self, exc: Exception) -> None:
        """A refused datagram says that the peer's agent is away, which its silence says too."""

    def say(self) -> None:
        if self._transport is not None:
            for address in self._peers.values():
                self._transport.sendto(self._name, (address, self._port))

    def heard_ms(self, peer: str) -> int | None:
        at = self._heard.get(peer)
        return None if at is None else int((self._monotonic() - at) * 1000)
