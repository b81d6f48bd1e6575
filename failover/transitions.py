"""THE table: what is done about each condition. Everything else only applies it.

One row for each condition and durability policy. `verbs` are the instructions in their order; guards
(`decide`) can keep a row from acting, nothing can make it do more. Diagrams and documentation are drawn
from here; the rule ids are stable, as journals and alarms refer to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from failover.conditions import Condition
from failover.verbs import Verb


class Reaction(StrEnum):
    """What kind of answer a row gives."""

    NONE = "none"
    ACT = "act"
    WAIT = "wait"
    ALARM = "alarm"
    REFUSE = "refuse"


class Durability(StrEnum):
    """What writes are worth while no other site has a copy: refused, or served and counted."""

    STRICT = "strict"
    AVAILABLE = "available"


BOTH = frozenset(Durability)
STRICT = frozenset({Durability.STRICT})
AVAILABLE = frozenset({Durability.AVAILABLE})

# Fencing gets a budget and must not hold up the release, which is safe without it (decision 0401); what a
# slow driver achieved is settled afterwards.
FAIL_OVER = (Verb.FENCE, Verb.RELEASE_LEADER_KEY, Verb.CONFIRM_FENCE)


@dataclass(frozen=True)
class Row:
    """A rule. The condition must have held for `patience_s` before the reaction; until then it waits."""

    rule: str
    condition: Condition
    reaction: Reaction
    comment: str
    verbs: tuple[Verb, ...] = ()
    patience_s: float = 0.0
    durability: frozenset[Durability] = BOTH

    @property
    def replaces_primary(self) -> bool:
        return Verb.RELEASE_LEADER_KEY in self.verbs

    @property
    def rebuilds(self) -> bool:
        return Verb.REINITIALIZE in self.verbs


TABLE: tuple[Row, ...] = (
    Row("H-01", Condition.HEALTHY, Reaction.NONE, "Nothing to do."),
    # --- the primary is gone -------------------------------------------------------------------------
    Row(
        "P-01",
        Condition.SITE_LOST,
        Reaction.ACT,
        "Two other sites agree that the primary's site is dead. Its key is released now instead"
        " of when the lease ends; a synchronous standby of the other site takes over.",
        FAIL_OVER,
    ),
    Row(
        "P-02",
        Condition.SITE_ISOLATED,
        Reaction.ACT,
        "The primary's site is silent: without power, or alive behind cut links. It can"
        " acknowledge nothing without the standby that takes over, so it is safe to go on without"
        " knowing which.",
        FAIL_OVER,
    ),
    Row(
        "P-03",
        Condition.PRIMARY_HOST_LOST,
        Reaction.ACT,
        "The primary's host is gone and its site is not. A synchronous standby takes over, one in"
        " the same site if it is synchronous.",
        FAIL_OVER,
    ),
    Row(
        "P-04",
        Condition.PRIMARY_FROZEN,
        Reaction.ACT,
        "The primary accepts connections and answers nothing. It may thaw at any moment: fence it"
        " if possible; if not, it finds its synchronous standby gone and can acknowledge nothing.",
        FAIL_OVER,
    ),
    Row(
        "P-05",
        Condition.PRIMARY_PROCESS_DOWN,
        Reaction.ACT,
        "PostgreSQL is gone and Patroni is there. Patroni fails over by itself (primary_start_timeout 0)"
        " as soon as the kernel tells it, within a second even on a full machine; the key is released"
        " if it has not by then. Not while it carries out an order to switch, which stops PostgreSQL on"
        " purpose.",
        (Verb.RELEASE_LEADER_KEY,),
        patience_s=0.5,
    ),
    Row(
        "P-06",
        Condition.PRIMARY_UNMANAGED,
        Reaction.ACT,
        "PostgreSQL runs without Patroni: clients are routed nowhere and nobody renews the lease."
        " systemd restarts Patroni within a moment; if it does not, the host is fenced and"
        " replaced.",
        FAIL_OVER,
        patience_s=3.0,
    ),
    Row(
        "P-07",
        Condition.NO_PRIMARY,
        Reaction.ALARM,
        "Nobody holds the key. Patroni elects among the synchronous members; if none can, an"
        " operator must decide (failover --to SITE shows what would be lost).",
        patience_s=5.0,
    ),
    Row(
        "P-08",
        Condition.SEVERAL_PRIMARIES,
        Reaction.ALARM,
        "Two hosts call themselves primary. Only the key's holder can acknowledge; the other"
        " steps down as soon as it sees ZooKeeper. An operator fences it if it does not.",
        patience_s=3.0,
    ),
    # --- nobody can be sure --------------------------------------------------------------------------
    Row(
        "Q-01",
        Condition.ZOOKEEPER_WITHOUT_QUORUM,
        Reaction.REFUSE,
        "Without ZooKeeper's majority nobody may be primary and nobody may decide. Reads go on."
        " If a data site and the witness are lost for good: recover-quorum.",
    ),
    Row(
        "Q-02",
        Condition.VIEWS_DISAGREE,
        Reaction.ALARM,
        "Some reach the primary, others do not, and no cut link explains it. Patroni's lease decides.",
        patience_s=5.0,
    ),
    Row(
        "Q-03",
        Condition.FLAPPING,
        Reaction.REFUSE,
        "Too many automatic failovers within the window: the next one needs an operator.",
    ),
    Row(
        "Q-04",
        Condition.ZOOKEEPER_DIVERGED,
        Reaction.ALARM,
        "A ZooKeeper server has not its leader's tree: it may name an old primary to its clients, for"
        " good. An operator empties it (docs/runbooks/zookeeper-diverged.md).",
    ),
    # --- links and the witness -----------------------------------------------------------------------
    Row(
        "L-01",
        Condition.LINK_CUT,
        Reaction.ALARM,
        "The data sites do not see each other and both see the witness. The primary stays: it has"
        " ZooKeeper's majority. Commits wait until Patroni drops the unreachable standbys; from"
        " then on see D-01 or D-02.",
    ),
    Row(
        "L-02",
        Condition.LINK_CUT_ONE_WAY,
        Reaction.ALARM,
        "Packets pass in one direction only, so no connection holds. As L-01.",
    ),
    Row(
        "L-03",
        Condition.WITNESS_LINK_CUT,
        Reaction.ALARM,
        "One site does not see the witness. Nothing is lost.",
    ),
    Row(
        "L-04",
        Condition.WITNESS_LOST,
        Reaction.ALARM,
        "The data sites go on. Until the witness is back nobody can confirm the loss of a site,"
        " and losing one also loses ZooKeeper's majority.",
    ),
    Row(
        "L-05",
        Condition.STANDBY_SITE_LOST,
        Reaction.ALARM,
        "The site without the primary is lost. The primary stays; commits wait until Patroni"
        " drops the lost standbys; from then on see D-01 or D-02.",
    ),
    # --- copies --------------------------------------------------------------------------------------
    Row(
        "D-01",
        Condition.CROSS_SITE_DURABILITY_LOST,
        Reaction.ACT,
        "No other site has a copy of new writes and the policy is strict: writes are refused until one has.",
        (Verb.CLOSE_WRITES,),
        durability=STRICT,
    ),
    Row(
        "D-02",
        Condition.CROSS_SITE_DURABILITY_LOST,
        Reaction.ALARM,
        "No other site has a copy of new writes and the policy is available: they are served,"
        " marked and counted.",
        patience_s=2.0,
        durability=AVAILABLE,
    ),
    Row(
        "D-03",
        Condition.SYNC_DEGRADED,
        Reaction.ALARM,
        "Fewer synchronous standbys than wanted; the other site still has a copy.",
        patience_s=10.0,
    ),
    Row(
        "D-04",
        Condition.STANDBY_DIVERGED,
        Reaction.ALARM,
        "A standby holds a history of its own. Patroni rewinds it; what exists only there is"
        " saved on the host before (decision 0403).",
        patience_s=5.0,
    ),
    Row(
        "D-05",
        Condition.STANDBY_MISSING,
        Reaction.ALARM,
        "A standby is away or does not stream. It returns by itself, or failback rebuilds it.",
        patience_s=30.0,
    ),
    Row(
        "D-06",
        Condition.STANDBY_STRANDED,
        Reaction.ACT,
        "A standby waits for WAL that the primary has removed, and would for ever. It is copied anew,"
        " one at a time, if it certainly holds nothing of its own and a synchronous standby streams;"
        " else an operator decides (failback saves first).",
        (Verb.REINITIALIZE,),
        patience_s=30.0,
    ),
    # --- left behind ---------------------------------------------------------------------------------
    Row(
        "M-01",
        Condition.PATRONI_PAUSED,
        Reaction.ALARM,
        "Patroni was left in maintenance mode and will not fail over.",
        patience_s=30.0,
    ),
    Row(
        "M-02",
        Condition.POOL_PAUSED,
        Reaction.ACT,
        "A pool is paused and no operation wants it to be. Its own dead man's timer comes first.",
        (Verb.RESUME_POOLS,),
        patience_s=3.0,
    ),
)


class TableError(LookupError):
    """The table has no row, or several, for a condition and policy."""


def row_for(condition: Condition, durability: Durability, table: tuple[Row, ...] = TABLE) -> Row:
    """The one row that answers a condition under a policy."""
    rows = [row for row in table if row.condition is condition and durability in row.durability]
    if len(rows) != 1:
        raise TableError(f"{len(rows)} rows for {condition} under {durability}")
    return rows[0]
