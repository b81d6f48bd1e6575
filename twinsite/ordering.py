"""How commands order operations: a session with the ensemble, a request in the operator's name."""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from kazoo.client import KazooClient

from failover.conditions import Condition
from failover.following import Clock, Counter, Say
from failover.journal import Entry, Outcome
from failover.model import Access, Layout
from failover.observe import zookeeper as observe
from failover.plan import Operation
from failover.requests import Control, Request
from failover.transitions import Durability, row_for
from failover.verbs import Scalar
from twinsite.context import Context
from twinsite.outcome import CannotError, Exit, stop
from twinsite.talk import done, progress
from twinsite.wiring import access_of, layout_of

CONNECTS_WITHIN_S = 5.0
CLOCK = Clock(time.monotonic, time.sleep)


@contextmanager
def zookeeper(context: Context) -> Iterator[KazooClient]:
    """A session with the estate's ensemble.

    Raises:
        LabDownError: the estate is a lab that is down.
        CannotError: as `session`.
    """
    context.require_up()
    with session(layout_of(context.estate), access_of(context.secrets)) as client:
        yield client


@contextmanager
def session(layout: Layout, access: Access) -> Iterator[KazooClient]:
    """A session with an ensemble.

    Raises:
        CannotError: none to be had (then the rule for that is all that can be explained), or it was lost.
    """
    try:
        with observe.session(layout, access, CONNECTS_WITHIN_S) as client:
            yield client
    except observe.NoSessionError as error:
        row = row_for(Condition.ZOOKEEPER_WITHOUT_QUORUM, Durability.AVAILABLE)
        raise CannotError(f"{error}. [{row.rule}] {row.comment}") from error
    except observe.SessionLostError as error:
        raise CannotError(str(error)) from error


def operator() -> str:
    """Who gives the order, also behind sudo."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def request(task: Operation | Control, reason: str, **arguments: Scalar) -> Request:
    return Request.of(
        task,
        name=uuid.uuid4().hex[:6],
        by=operator(),
        reason=reason or "no reason given",
        at=time.time(),
        **arguments,
    )


def order(context: Context, asked: Request, *, wait_s: float = 0.0, say: Say = progress) -> Entry:
    """Orders an operation of the elected agent and tells its course, step by step.

    Raises:
        OrderFailedError: it was not begun; the message says why.
        LetGoError: the operator stopped watching.
    """
    with zookeeper(context) as client:
        return Counter(client, CLOCK, say).order(asked, wait_s=wait_s)


def conclude(entry: Entry) -> None:
    """Ends a command as its operation ended: 0 done, 1 through with steps missed, 3 rolled back."""
    if entry.outcome is Outcome.DONE:
        done(f"{entry.plan.title}: done")
        return
    raise stop(Exit.BAD if entry.outcome is Outcome.INCOMPLETE else Exit.FAILED)
