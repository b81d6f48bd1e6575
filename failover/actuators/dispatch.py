"""Each verb and the one port method that does it. A verb without a line here cannot be in a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from failover.actuators.ports import Actuators
from failover.verbs import Instruction, Verb

Effect = Callable[[Actuators, Instruction], str]

DISPATCH: Mapping[Verb, Effect] = {
    Verb.FENCE: lambda to, order: to.fencing.fence(order.text("host")),
    Verb.CONFIRM_FENCE: lambda to, order: to.fencing.confirm(order.text("host")),
    Verb.UNFENCE: lambda to, order: to.fencing.unfence(order.text("host")),
    Verb.RELEASE_LEADER_KEY: lambda to, order: to.leader_key.release(
        leader=order.text("leader"),
        session=order.number("session"),
        candidate=order.text("candidate"),
        sync_version=order.optional_number("sync_version"),
    ),
    Verb.CLOSE_WRITES: lambda to, _: to.write_gate.close(),
    Verb.OPEN_WRITES: lambda to, _: to.write_gate.open(),
    Verb.PAUSE_POOLS: lambda to, order: to.pools.pause(
        operation=order.text("operation"),
        hold_s=order.seconds("hold_s"),
        candidate=order.optional_text("candidate"),
    ),
    Verb.RESUME_POOLS: lambda to, order: to.pools.resume(primary=order.optional_text("primary")),
    Verb.ROUTE: lambda to, order: to.pools.route(primary=order.text("primary")),
    Verb.ANNOUNCE_SWITCHOVER: lambda to, order: to.leader_key.announce(
        leader=order.text("leader"), candidate=order.text("candidate"), operation=order.text("operation")
    ),
    Verb.REQUEST_SWITCHOVER: lambda to, order: to.leader_key.hand_over(
        leader=order.text("leader"), candidate=order.text("candidate")
    ),
    Verb.CANCEL_SWITCHOVER: lambda to, _: to.leader_key.clear_order(),
    Verb.FORCE_FAILOVER: lambda to, order: to.patroni.force_failover(candidate=order.text("candidate")),
    Verb.PREPARE_SHUTDOWN: lambda to, order: to.databases.checkpoint(host=order.text("host")),
    Verb.PREFER_SYNCHRONOUS: lambda to, order: to.synchronous.prefer(host=order.text("host")),
    Verb.RESTORE_SYNCHRONOUS: lambda to, order: to.synchronous.restore(count=order.number("count")),
    Verb.PREFER_SITE: lambda to, order: to.hosts.prefer_site(site=order.text("site")),
    Verb.HOLD_HOST: lambda to, order: to.hosts.hold(host=order.text("host")),
    Verb.RETURN_HOST: lambda to, order: to.hosts.give_back(host=order.text("host")),
    Verb.REINITIALIZE: lambda to, order: to.patroni.reinitialize(host=order.text("host")),
    Verb.ASSERT_OTHERS_OFF: lambda to, order: to.ensemble.assert_others_off(survivor=order.text("survivor")),
    Verb.REWRITE_ENSEMBLE: lambda to, order: to.ensemble.rewrite(survivor=order.text("survivor")),
    Verb.RESTORE_ENSEMBLE: lambda to, _: to.ensemble.restore(),
}

# Their effect is a transaction of ZooKeeper's that holds only under our epoch. It needs no question before
# it: that would be two round trips for which clients wait.
STAMPED = frozenset(
    {
        Verb.RELEASE_LEADER_KEY,
        Verb.PAUSE_POOLS,
        Verb.RESUME_POOLS,
        Verb.ROUTE,
        Verb.ANNOUNCE_SWITCHOVER,
        Verb.REQUEST_SWITCHOVER,
        Verb.CANCEL_SWITCHOVER,
        Verb.PREFER_SITE,
    }
)


def perform(actuators: Actuators, order: Instruction) -> str:
    """Does it and returns the evidence.

    Raises:
        EffectRefusedError: certainly not done.
        EffectUnknownError: perhaps done; look at the step's check.
    """
    return DISPATCH[order.verb](actuators, order)
