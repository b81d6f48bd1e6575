"""What an entry says of a command or an answer. Pure but for ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.access.principal import Access
from app.cards.numbers import without_numbers
from app.database.answer import Answer, Command
from app.identity import new_id

BASE = "/api/v1/"
_ADDRESS = re.compile(rf"{BASE}([a-z-]+/[0-9a-f]{{8}}-[0-9a-f-]{{27}})\b")


def of_write(command: Command, answer: Answer, access: Access, site: str) -> Mapping[str, Any]:
    """Parameters of `AUDIT` in app.database.units: the entry is stored by the transaction it tells of."""
    addresses = (command.operation, answer.headers.get("Location", ""))
    return {
        "audit_id": new_id(),
        "site": site,
        "actor": command.principal,
        **access.principal.home._asdict(),
        "operation": without_numbers(command.operation) or command.trace,
        "status": answer.status,
        "subjects": [*subjects(addresses, answer.subjects)],
        "trace": command.trace,
        "client": command.client,
        "fingerprint": command.fingerprint or None,
    }


def subjects(addresses: Iterable[str], named: Iterable[str]) -> Iterable[str]:
    """What addresses lead to (`requests/0198…` of `/api/v1/requests/0198…/take`), then `named`; each once."""
    found = (match[1] for match in map(_ADDRESS.search, addresses) if match)
    return dict.fromkeys((*found, *named))
