"""What an entry says of a command or an answer. Pure but for ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.access.operations import BASE, DIRECTORIES
from app.access.principal import Access
from app.cards.numbers import without_numbers
from app.database.answer import Answer, Command
from app.identity import new_id

_ID, _CODE = "[0-9a-f]{8}-[0-9a-f-]{27}", "[a-z0-9][a-z0-9_.-]{0,62}"
_ADDRESS = re.compile(rf"{BASE}([a-z-]+/{_ID}|(?:{'|'.join(sorted(DIRECTORIES))})/{_CODE})(?![\w.-])")


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
    """What addresses lead to (`requests/0198…` of `/api/v1/requests/0198…/take`), then `named`; each once.

    Entries of directories too: `topics/cards`. Whoever is refused may have put anything in a code's place.
    """
    found = (without_numbers(match[1]) for match in map(_ADDRESS.search, addresses) if match)
    return dict.fromkeys((*found, *named))
