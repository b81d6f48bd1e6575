"""Where things are kept on the operator's machine (docs/architecture.md)."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_HOME = Path("/var/lib/twinsite")
CHECKOUT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """The directory of everything that outlives a checkout: `TWINSITE_HOME`, or its default."""
    return Path(os.environ.get("TWINSITE_HOME") or DEFAULT_HOME)


def images() -> Path:
    return home() / "images"


def lab() -> Path:
    return home() / "lab"


def ssh_connections(lab_directory: Path) -> Path:
    """Where Ansible keeps the control sockets of its SSH connections to a lab's hosts."""
    return lab_directory / "ssh"


def secrets(inventory: Path) -> Path:
    """The secrets of one inventory folder; two checkouts of the same estate share them."""
    return home() / "secrets" / inventory.resolve().name


def logs() -> Path:
    return home() / "logs"


def reports() -> Path:
    return CHECKOUT / "reports"
