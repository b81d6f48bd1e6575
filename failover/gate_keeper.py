"""Carries the write gate from ZooKeeper to the API of this host: a small file, renewed as long as we know.

It says nothing once this agent has no session: the API then goes by what the primary says (decision 0402).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from kazoo.client import KazooClient

from failover.actuators.write_gate import CLOSED, GATE

log = logging.getLogger(__name__)


class GateKeeper:
    """`watch` once; `keep` at least every second. The reader compares monotonic times of one host."""

    def __init__(
        self, client: KazooClient, path: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._path, self._monotonic = client, path, monotonic
        self._state: bytes | None = None

    def watch(self) -> None:
        """Kazoo's watch fires anew after a lost session."""
        self._client.ensure_path(GATE)
        self._client.DataWatch(GATE, self._changed)

    def _changed(self, data: bytes | None, _stat: object) -> None:
        self._state = data
        self.keep()

    def keep(self) -> None:
        """Whole or not at all: the API never reads half a file."""
        if self._state is None or not self._client.connected:
            return
        said = {"writes": "closed" if self._state == CLOSED else "open", "monotonic_s": self._monotonic()}
        new = self._path.with_suffix(".new")
        try:
            new.write_text(json.dumps(said), encoding="utf-8")
            new.replace(self._path)
        except OSError as error:
            log.warning("the gate's file is not renewed: %s", error)
