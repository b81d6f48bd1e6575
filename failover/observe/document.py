"""The estate as one JSON document: what `twinsite status --json` prints; its shape is stable.

Keys are added, never renamed or removed (docs/status.md). A thing that could not be asked is
`{"unreachable": "<reason>"}`.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import datetime
from typing import Any

from failover.model import EstateView, Unreachable
from failover.observe.problems import health, problems

VERSION = 1


def status_document(view: EstateView) -> dict[str, Any]:
    """The whole picture in JSON's own types."""
    primary = view.primary
    return {
        "version": VERSION,
        "at": view.at.isoformat(),
        "health": health(view).name.lower(),
        "problems": [_plain(problem) for problem in problems(view)],
        "primary": primary.node.name if primary else None,
        "timeline": primary.state.timeline if primary else None,
        "synchronous_standbys": list(primary.synchronous_standbys) if primary else [],
        "databases": {each.node.name: _host(each) for each in view.databases},
        "zookeeper": {each.node.name: _host(each) for each in view.zookeepers},
        "coordination": _plain(view.coordination),
        "applications": {each.node.name: _host(each) for each in view.applications},
        "entries": {each.site: _plain(each) for each in view.entries},
    }


def _host(view: Any) -> dict[str, Any]:
    """A view of one host, its node's site and address beside what was found."""
    found = {name: _plain(value) for name, value in vars(view).items() if name != "node"}
    return {"site": view.node.site, "address": view.node.address, **found}


def _plain(value: Any) -> Any:
    match value:
        case Unreachable(reason):
            return {"unreachable": reason}
        case datetime():
            return value.isoformat()
        case tuple() | list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {name: _plain(each) for name, each in vars(value).items()}
        case _:
            return value
