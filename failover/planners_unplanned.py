"""Plans for what nobody planned: an ordered failover, the way back, hosts in and out of service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from failover.desk import OrderRefusedError, Planner
from failover.exposure import Budget, Exposure, Track, of_candidate, refusal
from failover.panel import Panel, Picture
from failover.plan import Operation, Plan
from failover.procedures import failback, failover, maintenance
from failover.requests import Request

Tracked = Callable[[], Track | None]


def unplanned(tracked: Tracked, budget: Budget) -> Mapping[Operation, Planner]:
    """For each operation, what makes its plan. `tracked`: the primary's track as measured last."""
    return {
        Operation.FAILOVER: lambda picture, request: plan_failover(picture, request, tracked(), budget),
        Operation.RETURN: plan_return,
        Operation.FAILBACK: plan_failback,
        Operation.MAINTENANCE_START: plan_maintenance_start,
        Operation.MAINTENANCE_END: plan_maintenance_end,
    }


# --- failover by order ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replacement:
    """Who would take over from whom, and what would be lost by it."""

    leader: str
    candidate: str
    site: str
    synchronous: bool
    exposure: Exposure


def plan_failover(picture: Picture, request: Request, track: Track | None, budget: Budget) -> Plan:
    """Arguments: `site` or `host`; `accept_loss` for this order; `is_off`: the operator's word on the other.

    Raises:
        OrderRefusedError: nobody can take over, a planned switch would do, or the loss is over the budget.
    """
    chosen = choose_replacement(picture, request, track)
    _no_switch_would_do(picture, chosen)
    accepted_by = request.by if request.flag("accept_loss") else None
    if objection := refusal(chosen.exposure, budget, accepted_by):
        raise OrderRefusedError(objection)
    leader = picture.cluster.leader if picture.cluster else None
    return failover.ordered(
        failover.Order(
            leader=chosen.leader,
            candidate=chosen.candidate,
            site=chosen.site,
            exposure=chosen.exposure,
            session=leader.session if leader and chosen.synchronous else None,
            sync_version=picture.cluster.sync.version if picture.cluster else -1,
            fenced=_fence(request, chosen),
            accepted_by=accepted_by,
        )
    )


def _fence(request: Request, chosen: Replacement) -> failover.Fenced:
    """A synchronous candidate lacks nothing, so nothing depends on the old primary being off."""
    if request.flag("is_off"):
        return failover.Fenced.BY_WORD
    return failover.Fenced.IF_POSSIBLE if chosen.synchronous else failover.Fenced.SURELY


def choose_replacement(picture: Picture, request: Request, track: Track | None) -> Replacement:
    """The host that is named, or of the site: a synchronous one, else the one that has received most."""
    panel, cluster = Panel(picture), picture.cluster
    if cluster is None:
        raise OrderRefusedError("this agent has no ZooKeeper session")
    leader = cluster.leader.name if cluster.leader else (track.primary if track else "")
    site, host = request.text("site"), request.text("host")
    names = [node.name for node in picture.layout.databases if node.name == host or node.site == site]
    fit = [name for name in names if name != leader and _alive(panel, name)]
    if not fit:
        listed = ", ".join(names) or "no database host"
        raise OrderRefusedError(
            f"nobody in {host or site} can take over: none of {listed} answers as standby"
        )
    members = cluster.sync.members
    best = max(fit, key=lambda name: (name in members, received(panel, name) or 0, name))
    exposure = of_candidate(track or Track(), best, received(panel, best), synchronous=best in members)
    return Replacement(leader, best, panel.site_of[best], best in members, exposure)


def _alive(panel: Panel, host: str) -> bool:
    report = panel.report(host)
    return report is not None and report.running and not report.primary and not panel.maintained(host)


def received(panel: Panel, host: str) -> int | None:
    report = panel.report(host)
    return report.lsn if report else None


def _no_switch_would_do(picture: Picture, chosen: Replacement) -> None:
    """A primary that answers, and a candidate with everything: handing over disturbs nobody."""
    report = Panel(picture).report(chosen.leader)
    if chosen.synchronous and report is not None and report.writable:
        raise OrderRefusedError(
            f"{chosen.leader} is primary and answers, and {chosen.candidate} is synchronous:"
            " `twinsite switchover` hands over without a failed request"
        )


# --- the way back -----------------------------------------------------------------------------------------


def plan_return(picture: Picture, request: Request) -> Plan:
    """Argument: `host`. Raises OrderRefusedError as `plan_failback` does."""
    return failback.let_return(_lost(picture, request))


def plan_failback(picture: Picture, request: Request) -> Plan:
    """Arguments: `host`; `salvaged`: what was saved there, in words.

    Raises:
        OrderRefusedError: no such host, or it is the primary, or streams already.
    """
    saved = request.text("salvaged")
    return failback.plan(_lost(picture, request), (saved,) if saved else ())


def _lost(picture: Picture, request: Request) -> str:
    panel, host = Panel(picture), request.text("host") or ""
    if picture.layout.database(host) is None:
        raise OrderRefusedError(f"{host} is no database host")
    leader = picture.cluster.leader if picture.cluster else None
    if leader is None:
        raise OrderRefusedError("nobody holds the leader key: there is nobody to follow")
    if leader.name == host:
        raise OrderRefusedError(f"{host} is the primary; nothing to do")
    report = panel.report(host)
    if report is not None and report.streaming:
        raise OrderRefusedError(f"{host} streams already; nothing to do")
    return host


# --- maintenance ------------------------------------------------------------------------------------------


def plan_maintenance_start(picture: Picture, request: Request) -> Plan:
    """Argument: `hosts`, separated by blanks.

    Raises:
        OrderRefusedError: one is unknown, or the primary is among them.
    """
    hosts = _hosts(picture, request)
    try:
        return maintenance.start(hosts, picture.leader or "")
    except ValueError as error:
        raise OrderRefusedError(str(error)) from error


def plan_maintenance_end(picture: Picture, request: Request) -> Plan:
    """Argument: `hosts`, separated by blanks."""
    return maintenance.end(_hosts(picture, request))


def _hosts(picture: Picture, request: Request) -> tuple[str, ...]:
    layout = picture.layout
    known = {node.name for node in (*layout.databases, *layout.applications, *layout.zookeepers)}
    hosts = tuple((request.text("hosts") or "").split())
    if unknown := set(hosts) - known or not hosts:
        raise OrderRefusedError(f"no such host: {unknown if hosts else 'none was named'}")
    return hosts
