"""`twinsite explain` and `twinsite events`: what the orchestrator sees, decides and did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from failover.conditions import Condition
from failover.events import history
from failover.observe.zookeeper import connect
from failover.telling import line, tell
from failover.transitions import Durability, row_for
from twinsite.context import Context, context_of
from twinsite.outcome import CannotError
from twinsite.talk import print_json
from twinsite.wiring import access_of, layout_of

CONNECTS_WITHIN_S = 5.0


def explain(ctx: typer.Context) -> None:
    """Say what the agents see, which rules hold, what they would do and why they do not."""
    context = context_of(ctx)
    with _zookeeper(context) as client:
        typer.echo(tell(client, layout_of(context.estate), time.monotonic_ns, time.sleep))


def events(
    ctx: typer.Context,
    last: Annotated[int, typer.Option(help="How many lines.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what the orchestrator saw, decided and did, oldest first."""
    with _zookeeper(context_of(ctx)) as client:
        happenings = history(client, last)
    if as_json:
        print_json([asdict(each) for each in happenings])
        return
    for each in happenings:
        typer.echo(line(each))


@contextmanager
def _zookeeper(context: Context) -> Iterator[KazooClient]:
    """A session with the estate's ensemble.

    Raises:
        CannotError: none to be had (then the rule for that is all that can be explained), or it was lost.
    """
    context.require_up()
    try:
        client = connect(layout_of(context.estate), access_of(context.secrets), CONNECTS_WITHIN_S)
    except OSError as error:
        row = row_for(Condition.ZOOKEEPER_WITHOUT_QUORUM, Durability.AVAILABLE)
        raise CannotError(f"{error}. [{row.rule}] {row.comment}") from error
    try:
        yield client
    except (KazooException, KazooTimeoutError) as error:
        raise CannotError(f"ZooKeeper did not answer: {error!r}") from error
    finally:
        client.stop()
        client.close()
