"""A planned switch by Patroni's own REST call: assert, act, wait, assert.

Patroni answers when the candidate has promoted (2.1 s measured); the orchestrator's procedure, which keeps
clients from noticing, is another room's work and uses the same preflight.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from failover.model import Access, Coordination, EstateView, Layout, Node, Primary
from failover.observe.patroni import change, leads
from failover.observe.problems import Problem, Severity, problems
from failover.observe.wait import wait_until

Progress = Callable[[str], None]

# Patroni polls for the end of a switch for max(10, loop_wait) rounds of two seconds (patroni/api.py).
_REST_DEADLINE_S = 30.0
# Patroni's "failed" may be wrong (see `request`): how long the candidate may take to prove it so.
_PROOF_DEADLINE_S = 10.0
_PROOF_POLL_S = 0.5
_PROOF_ANSWER_S = 2.0
_SETTLE_DEADLINE_S = 90.0

# Warnings under which a switch would leave less than the full set of copies, or that Patroni would refuse.
_BLOCKING = {"synchronous-set-short", "patroni-paused", "standby-not-streaming"}


class SwitchoverRefusedError(Exception):
    """The switch was not begun; the message says what is in its way."""


class SwitchoverFailedError(Exception):
    """The switch was begun and did not end well; the message says how far it came."""


@dataclass(frozen=True)
class Switch:
    """What is to be done: which member hands over to which."""

    leader: Node
    candidate: Node
    timeline: int | None


@dataclass(frozen=True)
class SwitchReport:
    """What was done. Seconds since the request; `settled_s` is when nothing was wrong any more."""

    leader: str
    candidate: str
    timeline_before: int | None
    timeline_after: int | None
    answered_s: float
    settled_s: float


def plan(view: EstateView, site: str) -> Switch | None:
    """The switch that brings the primary to a site, or None when it is there already.

    Raises:
        SwitchoverRefusedError: something is wrong with the estate, or nobody there may be promoted.
    """
    primary = view.primary
    if primary is None:
        raise SwitchoverRefusedError("there is no single primary to hand over")
    if primary.node.site == site:
        return None
    blocking = [each for each in problems(view) if _blocks(each)]
    if blocking:
        listed = "\n".join(f"  {each.subject}: {each.text}" for each in blocking)
        raise SwitchoverRefusedError(f"the estate is not fit for a switch:\n{listed}")
    return Switch(primary.node, _candidate(view, site), primary.state.timeline)


def _blocks(problem: Problem) -> bool:
    return problem.severity is Severity.CRITICAL or problem.code in _BLOCKING


def _candidate(view: EstateView, site: str) -> Node:
    """The synchronous member of the site that is least behind.

    With two synchronous standbys over two sites of two, a healthy estate has one in the site that the primary
    is not in; none means that Patroni has not taken it into its set yet.
    """
    primary = view.primary
    assert primary is not None
    assert isinstance(view.coordination, Coordination)
    synchronous = set(view.coordination.sync_standbys)
    members = [node for node in view.layout.databases if node.site == site and node.name in synchronous]
    known = [(row.lag_bytes, node) for node in members if (row := primary.standby(node.name))]
    eligible = [(lag, node.name, node) for lag, node in known if lag is not None]
    if not eligible:
        held = ", ".join(sorted(synchronous)) or "nobody"
        raise SwitchoverRefusedError(
            f"no member of {site} is synchronous, and only such may be promoted (now: {held})"
        )
    return min(eligible)[2]


def request(switch: Switch, access: Access) -> None:
    """Ask Patroni for the switch; returns when it is done.

    Patroni's "Switchover failed" (503) is a guess: it reads the leader's key, then the request's, from a
    ZooKeeper server that may lag behind, and a switch that ends between the two readings looks as if it
    had been dropped (`poll_failover_result` in patroni/api.py 4.1; seen in a drill). So the candidate is
    asked.

    Raises:
        SwitchoverRefusedError: Patroni says no (412).
        SwitchoverFailedError: it failed, or Patroni does not answer.
    """
    body = {"leader": switch.leader.name, "candidate": switch.candidate.name}
    try:
        answer = change(access, "POST", switch.leader, "switchover", body, deadline_s=_REST_DEADLINE_S)
    except httpx.HTTPError as error:
        raise SwitchoverFailedError(f"Patroni on {switch.leader.name} did not answer: {error}") from error
    if answer.status_code == httpx.codes.PRECONDITION_FAILED:
        raise SwitchoverRefusedError(f"Patroni refuses: {answer.text}")
    guessed = answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    done = answer.status_code == httpx.codes.OK or (guessed and _leads_soon(switch.candidate, access))
    if not done:
        raise SwitchoverFailedError(f"Patroni answers {answer.status_code}: {answer.text}")


def _leads_soon(node: Node, access: Access) -> bool:
    deadline = time.monotonic() + _PROOF_DEADLINE_S
    while not leads(access, node, deadline_s=_PROOF_ANSWER_S):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PROOF_POLL_S)
    return True


def carry_out(switch: Switch, layout: Layout, access: Access, progress: Progress) -> SwitchReport:
    """Make the switch and wait until the estate is whole under its new primary.

    Raises:
        SwitchoverRefusedError: Patroni says no.
        SwitchoverFailedError: it failed, or the estate is not whole within the deadline.
    """
    started = time.monotonic()
    request(switch, access)
    answered = time.monotonic() - started
    progress(f"Patroni: {switch.candidate.name} leads")
    primary = _settled(switch, layout, access, progress)
    return SwitchReport(
        leader=switch.leader.name,
        candidate=primary.node.name,
        timeline_before=switch.timeline,
        timeline_after=primary.state.timeline,
        answered_s=answered,
        settled_s=time.monotonic() - started,
    )


def _settled(switch: Switch, layout: Layout, access: Access, progress: Progress) -> Primary:
    def ready(view: EstateView) -> bool:
        return not problems(view) and view.primary is not None and view.primary.node == switch.candidate

    view = wait_until(ready, layout, access, deadline_s=_SETTLE_DEADLINE_S, progress=progress)
    if not ready(view) or view.primary is None:
        listed = "; ".join(f"{each.subject}: {each.text}" for each in problems(view))
        raise SwitchoverFailedError(f"still not whole after {_SETTLE_DEADLINE_S:g} s: {listed}")
    return view.primary
