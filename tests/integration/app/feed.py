"""The feed of events as tests read it: whole, and each event as AsyncAPI describes it."""

from __future__ import annotations

import jsonschema

from app.events.asyncapi import description

EVENTS = "/api/v1/events"


async def read(api, address=EVENTS):
    """All there is from there, and where it goes on."""
    found = []
    while True:
        page = await api.get(address)
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        address = page.json()["next"]
        if not page.json()["more"]:
            return found, address


def as_described(event):
    document = description()
    schema = {**document["components"]["messages"][event["type"]]["payload"], **document}
    jsonschema.validate(event, schema, cls=jsonschema.Draft202012Validator)
