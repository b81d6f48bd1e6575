"""The way back of a lost host, in the order in which nothing is destroyed unsaved.

First it is let run, by its fencing driver where one holds it off, and Patroni has its minute: what Patroni
rewinds is saved before, on the host itself (decision 0403). Only a host that does not stream by then is
rebuilt; it is on by then, so what only it has can be saved over SSH, which reaches no host without power.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from failover.following import Clock, Say
from failover.journal import Entry, Outcome
from failover.plan import Operation
from failover.verbs import Scalar
from twinsite.outcome import CannotError

# Until a server that was given power answers: its self-tests take minutes.
BOOTS_WITHIN_S = 300.0
LOOK_EVERY_S = 5.0


@dataclass(frozen=True)
class Standing:
    """`host` is `primary` itself or streams from it, or not."""

    primary: str
    streams: bool


@dataclass(frozen=True)
class Reach:
    """What the way back needs of the estate. `standing` raises CannotError, `save` too where it cannot.

    `reached`: whether the host answers over SSH. `save(host, primary)`: a sentence on what was saved.
    """

    standing: Callable[[str], Standing]
    order: Callable[[Operation, dict[str, Scalar]], Entry]
    reached: Callable[[str], bool]
    save: Callable[[str, str], str]
    clock: Clock
    say: Say


def bring_back(host: str, reach: Reach, *, give_up: bool = False) -> bool:
    """Whether the host streams, or is the primary. `give_up`: rebuild it although nothing could be saved.

    Raises:
        CannotError: there is no primary; or it had to be rebuilt, and what only it has could not be saved.
        OrderFailedError: nobody took an order.
    """
    standing = reach.standing(host)
    if standing.streams:
        reach.say(f"{host} is primary or streams from {standing.primary}")
        return True
    if reach.order(Operation.RETURN, {"host": host}).outcome is Outcome.DONE:
        return True
    standing = _awaited(host, reach)
    if standing.streams:
        reach.say(f"{host} streams from {standing.primary}")
        return True
    saved = _saved(host, standing.primary, reach, give_up=give_up)
    rebuilt = reach.order(Operation.FAILBACK, {"host": host, "salvaged": saved})
    return rebuilt.outcome is Outcome.DONE


def _awaited(host: str, reach: Reach) -> Standing:
    """How it stands when it streams or answers over SSH, and anyway after `BOOTS_WITHIN_S`."""
    deadline = reach.clock.monotonic() + BOOTS_WITHIN_S
    reach.say(f"waits until {host} streams or answers over SSH, {BOOTS_WITHIN_S:g} s at most")
    while not (standing := reach.standing(host)).streams and not reach.reached(host):
        if reach.clock.monotonic() >= deadline:
            break
        reach.clock.sleep(LOOK_EVERY_S)
    return standing


def _saved(host: str, primary: str, reach: Reach, *, give_up: bool) -> str:
    """A rebuild destroys what only the host has: that is saved first, or somebody says not to."""
    try:
        return reach.save(host, primary)
    except CannotError as error:
        if not give_up:
            raise CannotError(
                f"{host} does not stream and may have to be rebuilt, and what only it has could not be saved:"
                f" {error}; if it has no power or network, give it that, and order this again; with"
                " --without-saving what only it has is lost"
            ) from error
        return f"not saved, by order: {error}"
