"""`twinsite status`: the estate on one screen, or as one document."""

from __future__ import annotations

from typing import Annotated

import typer

from failover.observe.document import VERSION, status_document
from failover.observe.estate import DEADLINE_S, observe
from failover.observe.problems import Health, health
from failover.observe.wait import wait_until
from infra.lab import LabDownError
from twinsite.context import context_of
from twinsite.outcome import Exit, stop
from twinsite.screen import status_screen
from twinsite.talk import out, print_json, progress
from twinsite.wiring import access_of, layout_of


def status(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; docs/status.md.")] = False,
    deadline: Annotated[float, typer.Option(help="Seconds to wait for one answer.", min=0.1)] = DEADLINE_S,
    wait: Annotated[float, typer.Option(help="Seconds to wait until it is healthy.", min=0)] = 0,
) -> None:
    """Ask every host and tell what is found: 0 healthy, 1 degraded, 2 down."""
    context = context_of(ctx)
    try:
        context.require_up()
    except LabDownError as error:
        if as_json:
            print_json({"version": VERSION, "health": Health.DOWN.name.lower(), "reason": str(error)})
            raise stop(Exit.DOWN) from error
        raise
    layout, access = layout_of(context.estate), access_of(context.secrets)
    if wait:
        view = wait_until(
            lambda found: health(found) is Health.HEALTHY,
            layout,
            access,
            deadline_s=wait,
            progress=progress,
        )
    else:
        view = observe(layout, access, deadline_s=deadline)
    if as_json:
        print_json(status_document(view))
    else:
        out.print(status_screen(view))
    raise stop(Exit(health(view)))
