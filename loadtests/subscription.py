"""The receiver's subscription: made when the load begins, removed with it, or by the next run if it was left.

One that nobody removes is kept a row for each event until that is purged (docs/crm-integration.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from loadtests import feed
from loadtests.api import BASE, Call
from loadtests.client import Client
from loadtests.ledger import Ledger
from loadtests.policy import Answer
from loadtests.receiver import PROC

PATH = f"{BASE}/webhooks"
TITLE = "twinsite load"


class Subscription:
    """`client` is an account's that may decide who is sent events."""

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger
        self._mine: Mapping[str, object] | None = None

    def begin(self, url: str) -> str | None:
        """Subscribe; return the secret, None where that was refused or given up, which the ledger tells."""
        listed = self._perform("list_webhooks", Call("GET", PATH))
        for left in _left_behind(listed):
            self._remove(left)
        form = {"url": url, "title": TITLE, "types": feed.TYPES}
        made = self._perform("subscribe", Call("POST", PATH, json.dumps(form).encode()))
        if made is None:
            return None
        self._mine = made.body
        answer = self._perform("get_secret", Call("GET", f"{PATH}/{made.body['id']}/secret"))
        return None if answer is None else str(answer.body["secret"])

    def end(self) -> None:
        """Take it away, if there is one."""
        mine, self._mine = self._mine, None
        if mine is not None:
            self._remove(mine)

    def _remove(self, subscription: Mapping[str, object]) -> None:
        self._perform("unsubscribe", Call("DELETE", f"{PATH}/{subscription['id']}"))

    def _perform(self, function: str, call: Call) -> Answer | None:
        return self._client.perform(self._ledger.begin(PROC, function, write=False), call)


def _left_behind(listed: Answer | None) -> Iterator[Mapping[str, object]]:
    items = listed.body.get("items") if listed else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("title") == TITLE:
            yield item
