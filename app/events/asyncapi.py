"""The description of events beside OpenAPI: AsyncAPI 3, made of the same types that are published."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from app.events.catalogue import CATALOGUE
from app.events.types import EventType

REFERENCE = "#/components/schemas/{model}"
SIGNED = (
    "Signed after the Standard Webhooks specification (`webhook-id`, `-timestamp`, `-signature`). "
    "At least once, in order for each entity; the same `webhook-id` means the same event."
)


@cache
def description() -> dict[str, Any]:
    """The whole document; made once."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "twinsite CRM", "version": "1", "description": __doc__},
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "title": "What happens in the CRM",
                "description": SIGNED,
                "messages": {kind.name: _reference("messages", kind.name) for kind in CATALOGUE},
            }
        },
        "operations": {
            "deliver": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "POSTed to subscribers (`/api/v1/webhooks`), or read from `/api/v1/events`",
                "messages": [{"$ref": f"#/channels/events/messages/{kind.name}"} for kind in CATALOGUE],
            }
        },
        "components": {
            "messages": {kind.name: _message(kind) for kind in CATALOGUE},
            "schemas": _schemas(),
        },
    }


def _reference(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def _message(kind: EventType[Any]) -> dict[str, Any]:
    return {
        "name": kind.name,
        "title": kind.summary,
        "headers": _reference("schemas", "Signature"),
        "payload": {
            "type": "object",
            "required": ["id", "type", "timestamp", "entity", "version", "data"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string", "format": "uuid", "description": "Also the header `webhook-id`"},
                "type": {"const": kind.name},
                "timestamp": {"type": "string", "format": "date-time"},
                "entity": {"type": "string", "pattern": f"^{kind.entity}:"},
                "version": {"type": ["integer", "null"]},
                "data": _reference("schemas", kind.payload.__name__),
            },
        },
    }


def _schemas() -> dict[str, Any]:
    payloads = dict.fromkeys(kind.payload for kind in CATALOGUE)
    _, definitions = TypeAdapter.json_schemas(
        [(payload.__name__, "serialization", TypeAdapter(payload)) for payload in payloads],
        ref_template=REFERENCE,
    )
    return {**definitions["$defs"], "Signature": _SIGNATURE}


_SIGNATURE = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string"},
        "webhook-timestamp": {"type": "string", "description": "Seconds of Unix time of this attempt"},
        "webhook-signature": {"type": "string", "description": "One or two of `v1,<base64>`, space between"},
    },
}
