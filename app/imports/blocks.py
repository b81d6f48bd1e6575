"""Cutting a stream into blocks of whole lines. Pure.

Where a block ends depends on the stream only, not on the pieces in which it arrives: the same stream sent
again is cut the same, and blocks received earlier can be told by their hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class Splitter:
    """At most one block and what arrived last are held in memory."""

    block_bytes: int = BLOCK_BYTES
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Blocks that are complete with these bytes."""
        self._rest += data
        while len(self._rest) >= self.block_bytes:
            yield self._take(self._cut())

    def end(self) -> Iterator[bytes]:
        """What is left after the last byte."""
        if self._rest:
            yield self._take(len(self._rest))

    def _cut(self) -> int:
        """After the last line break within a block's size.

        A longer line is cut, and both parts will be refused as rows: memory stays bounded, whatever is sent.
        """
        newline = self._rest.rfind(b"\n", 0, self.block_bytes)
        return newline + 1 if newline >= 0 else self.block_bytes

    def _take(self, size: int) -> bytes:
        block = bytes(self._rest[:size])
        del self._rest[:size]
        return block


def lines(block: bytes) -> list[bytes]:
    """Rows of a block, without line ends and without empty lines."""
    return [line for raw in block.split(b"\n") if (line := raw.strip())]
