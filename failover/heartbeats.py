"""Datagrams among agents: who is heard, also where no connection holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

# Before a name: that agent sees something amiss.
AMISS = "!"
# So long after the last such word an agent is still awake; it is repeated with each heartbeat.
AWAKE_S = 1.0


class Heartbeats(asyncio.DatagramProtocol):
    """Says "here" to every peer and remembers when each was heard; wakes those who still see nothing amiss.

    Evidence of one-way cuts and of nothing else: a datagram proves little, so no decision to act rests on it.
    A false alarm among them makes agents publish more often for a second, and a lost one less often.
    `woken` is called at the first word of something amiss.
    """

    def __init__(
        self,
        name: str,
        peers: dict[str, str],
        port: int,
        monotonic: Callable[[], float],
        woken: Callable[[], None] | None = None,
    ) -> None:
        self._name, self._peers, self._port, self._monotonic = name, peers, port, monotonic
        self._woken = woken or (lambda: None)
        self._heard: dict[str, float] = {}
        self._amiss_at = float("-inf")
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def awake(self) -> bool:
        """A peer saw something amiss a moment ago. Read from any thread."""
        return self._monotonic() - self._amiss_at < AWAKE_S

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        word = data.decode(errors="replace")
        name = word.removeprefix(AMISS)
        if self._peers.get(name) != addr[0]:
            return
        if word == name:
            self._heard[name] = self._monotonic()
            return
        was_awake, self._amiss_at = self.awake, self._monotonic()
        if not was_awake:
            self._woken()

    def error_received(self, exc: Exception) -> None:
        """A refused datagram says that the peer's agent is away, which its silence says too."""

    def say(self) -> None:
        self._send(self._name)

    def wake(self) -> None:
        """A datagram of its own, which agents of an earlier release pass over."""
        self._send(f"{AMISS}{self._name}")

    def _send(self, word: str) -> None:
        if self._transport is not None:
            for address in self._peers.values():
                self._transport.sendto(word.encode(), (address, self._port))

    def heard_ms(self, peer: str) -> int | None:
        at = self._heard.get(peer)
        return None if at is None else int((self._monotonic() - at) * 1000)
