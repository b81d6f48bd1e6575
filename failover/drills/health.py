"""Whether the cluster is whole: the condition before a drill, and the parity after it. Pure."""

from __future__ import annotations

from failover.drills.model import ClusterStatus, Estate, Member, MemberRole, ReplicationMode


def problems(
    status: ClusterStatus, estate: Estate, *, synchronous_nodes: int, mode: ReplicationMode
) -> tuple[str, ...]:
    """Return what keeps the cluster from being whole, nothing when it is.

    Whole: every database host is a member; one runs as leader; all others stream on its timeline;
    with synchronous replication, as many standbys as configured confirm, one of them at the other site.
    """
    leader = status.leader
    if leader is None:
        return ("there is no running leader",)
    found = [*_absent(status, estate), *_not_streaming(status, leader)]
    if status.paused:
        found.append("Patroni is paused")
    if status.mode is not mode:
        found.append(f"replication is {status.mode}, not {mode}")
    elif mode is ReplicationMode.SYNCHRONOUS:
        found += _synchronous_gaps(status, leader, estate, synchronous_nodes)
    return tuple(found)


def _absent(status: ClusterStatus, estate: Estate) -> list[str]:
    present = {member.name for member in status.members}
    return [f"{host.name} is no member" for host in estate.members("postgresql") if host.name not in present]


def _not_streaming(status: ClusterStatus, leader: Member) -> list[str]:
    found = []
    for member in status.members:
        if member is leader:
            continue
        if member.role is not MemberRole.REPLICA or member.state != "streaming":
            found.append(f"{member.name} is {member.role} {member.state}, not streaming")
        elif member.timeline != leader.timeline:
            found.append(f"{member.name} is on timeline {member.timeline}, the leader on {leader.timeline}")
    return found


def _synchronous_gaps(
    status: ClusterStatus, leader: Member, estate: Estate, synchronous_nodes: int
) -> list[str]:
    confirming = status.synchronous_names - {leader.name}
    found = []
    if len(confirming) < synchronous_nodes:
        found.append(f"{len(confirming)} of {synchronous_nodes} synchronous standbys")
    leader_site = estate.host(leader.name).site
    if not any(estate.host(name).site != leader_site for name in confirming):
        found.append("no synchronous standby at the other site")
    return found
