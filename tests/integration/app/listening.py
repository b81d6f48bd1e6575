"""A client that reads a stream of events while it lasts; httpx' transport waits for its end."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

WAIT_SECONDS = 120.0


class Listener:
    """What has come so far: `events` as (id, data), `raw` as it came."""

    def __init__(self):
        self.status = None
        self.raw = b""
        self.left = asyncio.Event()
        self.changed = asyncio.Condition()
        self.ended = False

    @property
    def body(self):
        return json.loads(self.raw)

    @property
    def events(self):
        found = []
        for block in self.raw.decode().replace("\r\n", "\n").split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "data" in fields:
                found.append((fields["id"], json.loads(fields["data"])))
        return found

    @property
    def texts(self):
        return [data["text"] for _, data in self.events]

    async def until(self, condition):
        async with asyncio.timeout(WAIT_SECONDS), self.changed:
            await self.changed.wait_for(condition)

    async def send(self, message):
        async with self.changed:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            else:
                self.raw += message["body"]
                self.ended = not message.get("more_body", False)
            self.changed.notify_all()


@asynccontextmanager
async def listening(api, path, **headers):
    """Goes away at the end of the block, as a browser does that is closed."""
    listener = Listener()
    address, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": address,
        "raw_path": address.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("crm", 80),
    }
    said = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if said:
            return said.pop()
        await listener.left.wait()
        return {"type": "http.disconnect"}

    task = asyncio.create_task(api.app(scope, receive, listener.send))
    try:
        await listener.until(lambda: listener.status is not None)
        yield listener
    finally:
        listener.left.set()
        async with asyncio.timeout(WAIT_SECONDS):
            await task
