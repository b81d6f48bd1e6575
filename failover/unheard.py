"""What an operator is told whose order nobody answers: what is missing, and what helps. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from failover.plan import Operation
from failover.requests import Request


def vacancy(voices: Sequence[str]) -> str:
    """Nobody is in office, and these agents have a session with ZooKeeper."""
    if not voices:
        return ": none has a session with ZooKeeper. Start twinsite-agent on application hosts and witness"
    return (
        f", though {', '.join(voices)} {'has' if len(voices) == 1 else 'have'} a session with ZooKeeper."
        " `journalctl -u twinsite-agent` there says what keeps them"
    )


def deaf(holder: str, waited_s: float) -> str:
    """An agent is in office and took no notice of an order: stuck, or of another release."""
    return (
        f"{holder} is in office and did not take notice within {waited_s:g} s. `journalctl -u twinsite-agent`"
        " there says why; once it is stopped (`systemctl stop twinsite-agent`) another takes office"
    )


def without_agents(request: Request) -> str:
    """What does without agents, where anything does."""
    if request.task is Operation.SWITCHOVER:
        return "; `twinsite switchover --plain` does without agents"
    return ""
