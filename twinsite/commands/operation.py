"""`twinsite operation`: what is and was under way, and an operator's hand on it."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer
from rich.table import Table

from failover import flapping
from failover.course import ENDS, heading, narrate
from failover.flapping import Acknowledgement, Failovers
from failover.following import Counter
from failover.journal import Entry, entry_to_json
from failover.journal_store import JournalReader
from failover.plan import Operation
from failover.requests import Control
from failover.telling import time_of
from twinsite.context import Context, context_of
from twinsite.ordering import CLOCK, conclude, operator, order, request, zookeeper
from twinsite.outcome import CannotError
from twinsite.talk import done, out, print_json, progress

app = typer.Typer(no_args_is_help=True, help="Operations: what is and was under way, and a hand on it.")

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Id = Annotated[str, typer.Argument(help="As `twinsite operation list` shows it; default: the open one.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the journal.")]


@app.command("list")
def list_operations(
    ctx: typer.Context,
    last: Annotated[int, typer.Option(help="How many.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Name the operations of the journal, oldest first; the open one has no end yet."""
    with zookeeper(context_of(ctx)) as client:
        entries = tuple(islice(JournalReader(client).newest(), last))[::-1]
    if as_json:
        print_json([_summary(entry) for entry in entries])
        return
    table = Table("operation", "begun", "what", "ordered by", "end", box=None, padding=(0, 2, 0, 0))
    for entry in entries:
        begun = time_of(entry.records[0].at) if entry.records else "–"
        table.add_row(entry.id, begun, entry.plan.title, entry.ordered_by, str(entry.outcome or "under way"))
    out.print(table)


@app.command()
def show(
    ctx: typer.Context,
    name: Id = "",
    follow: Annotated[bool, typer.Option(help="Stay until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show an operation: its plan, what happened so far, and its end."""
    context = context_of(ctx)
    with zookeeper(context) as client:
        entry = _entry(JournalReader(client), name)
        if follow:
            entry = Counter(client, CLOCK, lambda text: out.print(text, markup=False, soft_wrap=True)).follow(
                entry
            )
    if as_json:
        print_json(entry_to_json(entry))
    elif not follow:
        out.print(
            "\n".join((entry.plan.describe(), heading(entry), *narrate(entry))), markup=False, soft_wrap=True
        )


@app.command()
def abort(ctx: typer.Context, name: Id = "", reason: Reason = "") -> None:
    """End the open operation: it goes back, if there is still a way back."""
    with zookeeper(context_of(ctx)) as client:
        entry = _open(JournalReader(client), name)
        counter = Counter(client, CLOCK, progress)
        reply = counter.control(request(Control.ABORT, reason, id=entry.id))
        progress(f"{reply.by}: {reply.text}")
        counter.follow(entry)


@app.command()
def resume(ctx: typer.Context, name: Id = "", reason: Reason = "") -> None:
    """Carry an interrupted operation on forwards; one that has ended is planned and ordered anew."""
    context = context_of(ctx)
    with zookeeper(context) as client:
        entry = _entry(JournalReader(client), name)
        if entry.outcome is None:
            counter = Counter(client, CLOCK, progress)
            reply = counter.control(request(Control.RESUME, reason, id=entry.id))
            progress(f"{reply.by}: {reply.text}")
            conclude(counter.follow(entry))
            return
    _again(context, entry, reason)


def _again(context: Context, entry: Entry, reason: str) -> None:
    if entry.plan.operation is Operation.AUTOMATIC:
        raise CannotError(f"{entry.id} was not ordered: the agents repeat it by themselves if it is needed")
    why = reason or f"{entry.id} again, which ended {entry.outcome}"
    conclude(order(context, request(entry.plan.operation, why, **dict(entry.arguments))))


def acknowledge(ctx: typer.Context, reason: Reason = "") -> None:
    """Say that the automatic failovers so far were looked into: the next needs no operator."""
    with zookeeper(context_of(ctx)) as client:
        failovers = Failovers.of(JournalReader(client).entries())
        if not failovers.at:
            raise CannotError("no automatic failover is in the journal; nothing to acknowledge")
        # By the agents' clock, on which they happened.
        flapping.acknowledge(
            client, Acknowledgement(failovers.at[-1], operator(), reason or "no reason given")
        )
    done(f"acknowledged up to {time_of(failovers.at[-1])}: the next loss is answered whenever it comes")


def _entry(journal: JournalReader, name: str) -> Entry:
    """The entry of that id, or the open one, or the last.

    Raises:
        CannotError: there is none.
    """
    entry = journal.entry(name) if name else (journal.current() or next(journal.newest(), None))
    if entry is None:
        raise CannotError(f"no operation {name or 'at all'} is in the journal; see `twinsite operation list`")
    return entry


def _open(journal: JournalReader, name: str) -> Entry:
    """Raises CannotError if that one is not open."""
    current = journal.current()
    if current is None or name not in ("", current.id):
        under_way = current.id if current else "none"
        raise CannotError(f"{name or 'no operation'} is not under way (open: {under_way})")
    return current


def _summary(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "operation": str(entry.plan.operation),
        "title": entry.plan.title,
        "ordered_by": entry.ordered_by,
        "reason": entry.reason,
        "begun": entry.records[0].at if entry.records else None,
        "outcome": str(entry.outcome) if entry.outcome else None,
        "end": ENDS[entry.outcome] if entry.outcome else "under way",
    }
