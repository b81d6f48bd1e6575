"""sd_notify(3): readiness, and the watchdog that ends a hung agent, which resumes its pool."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Does nothing outside a unit of type notify."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(message.encode(), address)
