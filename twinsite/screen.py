"""The estate on one screen."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from failover.model import (
    ApiState,
    ApplicationView,
    Coordination,
    DatabaseState,
    DatabaseView,
    EstateView,
    PatroniMember,
    Pool,
    Role,
    Serves,
    Unreachable,
    ZooKeeperState,
    ZooKeeperView,
)
from failover.observe.problems import PRIMARY_BACKEND, Health, Severity, health, problems

_COLOUR = {Health.HEALTHY: "green", Health.DEGRADED: "yellow", Health.DOWN: "red"}
_UNKNOWN = Text("–", style="dim")


def status_screen(view: EstateView) -> RenderableType:
    """Everything that an operator wants to see first."""
    parts: list[RenderableType] = [_headline(view)]
    parts += [_databases(view), _applications(view), _zookeepers(view), *_problems(view)]
    return Group(*(Padding(part, (0, 0, 1, 0), expand=False) for part in parts))


def _headline(view: EstateView) -> Text:
    state = health(view)
    primary = view.primary
    text = Text(state.name, style=f"bold {_COLOUR[state]}")
    text.append(f"  {view.at:%Y-%m-%d %H:%M:%S} UTC", style="dim")
    if primary:
        text.append(f"\nprimary {primary.node.name} ({primary.node.site}), timeline {primary.state.timeline}")
        text.append(f", synchronous: {', '.join(primary.synchronous_standbys) or 'none'}")
    elif state is Health.DOWN:
        text.append("\nnothing answers; `twinsite provision` installs the system on hosts that are up")
    else:
        text.append("\nno single primary", style="red")
    text.append_text(_rule(view))
    text.append_text(_exposure(view))
    for entry in view.entries:
        text.append(f"\nentry {entry.site} {entry.address}: ")
        text.append_text(_api(entry.api))
    return text


def _rule(view: EstateView) -> Text:
    """Who acts on a loss, and what a write is worth while no other site has a copy."""
    found = view.coordination.rule if isinstance(view.coordination, Coordination) else None
    if found is None:
        return Text("\norchestrator: no agent has ruled yet", style="yellow")
    text = Text(f"\norchestrator {found.mode} ({found.by}), durability {found.durability}")
    text.stylize("" if found.mode == "active" else "yellow")
    return text


def _exposure(view: EstateView) -> Text:
    """What would be lost with the primary's site, and how old that figure is."""
    found = view.coordination.exposure if isinstance(view.coordination, Coordination) else None
    if found is None:
        return Text("\nexposure: not measured, no agent is in office", style="yellow")
    age = f"measured {(view.at - found.at).total_seconds():.0f} s ago by {found.by}"
    if found.writes is None or found.seconds is None:
        return Text(f"\nif {found.site} were lost now: unknown; {found.basis} ({age})", style="red")
    lost = (
        f"{found.writes:,} acknowledged writes, {found.size_bytes or 0:,} bytes, over {found.seconds:.1f} s"
    )
    text = Text(f"\nif {found.site} were lost now: {lost}", style="red" if found.exposed else "")
    return text.append(f" ({age})", style="dim")


def _api(api: ApiState | Unreachable) -> Text:
    match api:
        case Unreachable(reason):
            return _silent(reason)
        case ApiState(serves=Serves.WRITES, host=host):
            return Text(f"serves writes ({host})")
        case ApiState(serves=serves, host=host):
            return Text(f"serves {serves} ({host})", style="yellow")


def _silent(reason: str) -> Text:
    return Text(reason, style="red")


def _databases(view: EstateView) -> Table:
    table = _table("database", "site", "role", "state", "timeline", "sync", "lag", "patroni")
    for each in view.databases:
        table.add_row(each.node.name, each.node.site, *_database(each, view))
    return table


def _database(each: DatabaseView, view: EstateView) -> Iterable[Text]:
    row = view.primary.standby(each.node.name) if view.primary else None
    match each.postgres:
        case DatabaseState(role=role, timeline=timeline):
            yield Text(role, style="bold green" if role is Role.PRIMARY else "")
            yield Text(row.state) if row else Text("running" if role is Role.PRIMARY else "not streaming")
            yield Text(str(timeline))
        case Unreachable(reason):
            yield _UNKNOWN
            yield _silent(reason)
            yield _UNKNOWN
    yield Text(row.sync_state) if row else _UNKNOWN
    yield _lag(row.replay_lag_bytes, row.replay_lag_s) if row else _UNKNOWN
    yield _patroni(each.patroni)


def _lag(size: int | None, seconds: float | None) -> Text:
    if size is None:
        return _UNKNOWN
    return Text(f"{size:,} B" + (f", {seconds:.3f} s" if size and seconds is not None else ""))


def _patroni(found: PatroniMember | Unreachable) -> Text:
    match found:
        case Unreachable(reason):
            return _silent(reason)
        case PatroniMember(state="running", pending_restart=True):
            return Text("pending restart", style="yellow")
        case PatroniMember(state=state):
            return Text(state, style="" if state == "running" else "yellow")


def _applications(view: EstateView) -> Table:
    table = _table("application", "site", "API", "writes go to", "sessions", "pools")
    for each in view.applications:
        table.add_row(each.node.name, each.node.site, _api(each.api), *_proxy(each), _pools(each))
    return table


def _proxy(each: ApplicationView) -> tuple[Text, Text]:
    if isinstance(each.proxy, Unreachable):
        return _silent(each.proxy.reason), _UNKNOWN
    servers = [server for server in each.proxy if server.backend == PRIMARY_BACKEND]
    up = ", ".join(server.server for server in servers if server.up)
    return Text(up or "nobody", style="" if up else "red"), Text(str(sum(s.sessions for s in servers)))


def _pools(each: ApplicationView) -> Text:
    if isinstance(each.pools, Unreachable):
        return _UNKNOWN
    return Text("; ".join(_pool(pool) for pool in each.pools))


def _pool(pool: Pool) -> str:
    waiting = f", {pool.waiting} waiting" if pool.waiting else ""
    return f"{pool.route} {pool.used} of {pool.used + pool.idle}{waiting}"


def _zookeepers(view: EstateView) -> Table:
    table = _table("zookeeper", "site", "mode", "latency", "outstanding", "connections", "zxid")
    for each in view.zookeepers:
        table.add_row(each.node.name, each.node.site, *_zookeeper(each))
    if isinstance(view.coordination, Coordination) and view.coordination.leader:
        leader = view.coordination.leader
        table.caption = f"leader key: {leader.name}, session {leader.session:#x}"
        table.caption_justify = "left"
    return table


def _zookeeper(each: ZooKeeperView) -> Iterable[Text]:
    match each.state:
        case Unreachable(reason):
            yield _silent(reason)
        case ZooKeeperState() as state:
            yield Text(state.mode, style="bold" if state.mode == "leader" else "")
            yield Text(f"{state.latency_avg_ms:.1f} ms")
            yield Text(str(state.outstanding))
            yield Text(str(state.connections))
            yield Text(f"{state.zxid:#x}")


def _problems(view: EstateView) -> Iterable[Table]:
    """A table so that a long text wraps below itself; none when nothing is wrong."""
    found = problems(view)
    if not found:
        return
    table = Table("", "", "", box=None, show_header=False, padding=(0, 2, 0, 0))
    for each in found:
        style = "red" if each.severity is Severity.CRITICAL else "yellow"
        table.add_row(Text(each.severity, style=style), Text(each.subject, style="bold"), each.text)
    yield table


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim")
