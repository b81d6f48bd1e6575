"""`twinsite recover-quorum`: a data site and the witness are lost together, so ZooKeeper has no majority."""

from __future__ import annotations

from typing import Annotated

import typer

from failover.model import ZooKeeperState
from failover.plan import Plan
from failover.procedures import recover_quorum as procedure
from twinsite.context import Context, context_of
from twinsite.ordering import conclude, operator
from twinsite.outcome import CannotError
from twinsite.ports.ensemble import Ensemble, Word
from twinsite.ports.ensemble_operation import carry_out
from twinsite.talk import announce, done, out, progress
from twinsite.wiring import layout_of


def recover_quorum(
    ctx: typer.Context,
    survivor: Annotated[str, typer.Argument(help="The data site that lives; with --rejoin none.")] = "",
    others_are_off: Annotated[
        str, typer.Option("--others-are-off", help="You vouch that all other sites are off; how you know it.")
    ] = "",
    rejoin: Annotated[
        bool, typer.Option("--rejoin", help="The lost servers are back: give the ensemble all of them again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; change nothing.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the journal on this machine.")] = "",
) -> None:
    """Give ZooKeeper a majority in the surviving site alone, so that writes come back; later, all servers."""
    context = context_of(ctx)
    context.require_up()
    word = Word(operator(), others_are_off) if others_are_off else None
    ensemble = Ensemble(context, word, progress)
    plan = _rejoining(ensemble) if rejoin else _recovering(context, ensemble, survivor)
    if dry_run:
        out.print(plan.describe(), markup=False, soft_wrap=True)
        return
    announce([plan.title])
    entry = carry_out(context, ensemble, plan, reason or others_are_off or "no reason given")
    conclude(entry)
    if not rejoin:
        done("when the lost site is back: twinsite recover-quorum --rejoin")


def _recovering(context: Context, ensemble: Ensemble, survivor: str) -> Plan:
    """Raises CannotError: no such data site, or the ensemble has a majority."""
    data_sites = layout_of(context.estate).data_sites
    if survivor not in data_sites:
        raise CannotError(f"name the data site that lives: {' or '.join(data_sites)}")
    modes = [state.mode for state in ensemble.states().values() if isinstance(state, ZooKeeperState)]
    if "leader" in modes:
        raise CannotError(f"ZooKeeper serves ({', '.join(modes)}): there is no majority to recover")
    return procedure.plan(survivor)


def _rejoining(ensemble: Ensemble) -> Plan:
    """Raises CannotError: nobody serves, so nobody knows anything to rejoin to."""
    if not ensemble.members():
        raise CannotError("no ZooKeeper server serves: first `twinsite recover-quorum SITE`")
    return procedure.rejoin()
