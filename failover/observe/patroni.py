"""Patroni's REST API: GET /patroni and GET /cluster of one host (patroni/api.py, patroni/utils.py of 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from failover.model import PATRONI_PORT, Access, Node, PatroniMember, Role
from failover.observe.attempt import tls_context

# Whoever changes something shows this account besides a certificate (role postgresql).
USER = "patroni"

# Before 4.0 Patroni said "master"; /patroni says "primary", /cluster "leader".
_ROLES = {
    "primary": Role.PRIMARY,
    "master": Role.PRIMARY,
    "leader": Role.PRIMARY,
    "replica": Role.STANDBY,
    "standby": Role.STANDBY,
}


def url(node: Node, path: str) -> str:
    return f"https://{node.address}:{PATRONI_PORT}/{path}"


def change(
    access: Access, method: str, node: Node, path: str, body: Mapping[str, Any], *, deadline_s: float
) -> httpx.Response:
    """Ask one host's Patroni for a change: POST /switchover, PATCH /config and the like.

    Raises:
        httpx.HTTPError: no answer within the deadline (seconds).
        OSError: a file of the access is missing or unreadable.
    """
    with httpx.Client(
        verify=tls_context(access),
        auth=(USER, access.patroni_rest_password),
        timeout=deadline_s,
        trust_env=False,
    ) as client:
        return client.request(method, url(node, path), json=dict(body))


def leads(access: Access, node: Node, *, deadline_s: float) -> bool:
    """Whether a host runs as primary with the leader's lock, by GET /primary; no answer means no.

    Raises:
        OSError: a file of the access is missing or unreadable.
    """
    with httpx.Client(verify=tls_context(access), timeout=deadline_s, trust_env=False) as client:
        try:
            return client.get(url(node, "primary")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


async def read_member(client: httpx.AsyncClient, node: Node) -> PatroniMember:
    """Both documents of one host.

    Raises:
        httpx.HTTPError: no answer.
        ValueError: the answer is not Patroni's.
    """
    # The status code of /patroni is that of a health check: 503 on a member that does not run is an answer.
    member = await client.get(url(node, "patroni"))
    cluster = await client.get(url(node, "cluster"))
    return member_from(member.json(), cluster.json())


def member_from(member: Mapping[str, Any], cluster: Mapping[str, Any]) -> PatroniMember:
    """The typed reading of GET /patroni and GET /cluster.

    Raises:
        ValueError: a required key is missing.
    """
    if not isinstance(member, Mapping) or "state" not in member or "members" not in cluster:
        raise ValueError("the answer is not Patroni's")
    leaders = [each["name"] for each in cluster["members"] if _ROLES.get(each.get("role")) is Role.PRIMARY]
    seen = member.get("dcs_last_seen")
    return PatroniMember(
        role=_ROLES.get(member.get("role", "")),
        state=member["state"],
        timeline=member.get("timeline"),
        replication_state=member.get("replication_state"),
        pending_restart=bool(member.get("pending_restart", False)),
        paused=bool(member.get("pause", False)),
        dcs_last_seen=datetime.fromtimestamp(seen, UTC) if seen else None,
        version=member.get("patroni", {}).get("version", ""),
        leader_seen=leaders[0] if leaders else None,
        switchover_scheduled="scheduled_switchover" in cluster,
    )
