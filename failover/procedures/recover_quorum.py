"""A data site and the witness are lost: no majority. Guarded, by hand, journalled on disk only."""

from __future__ import annotations

from failover.plan import Operation, Plan, Step
from failover.verbs import Check, Expectation, Instruction, Verb


def plan(survivor: str) -> Plan:
    """Rewrites the ensemble to the servers of the surviving site.

    The one danger is the other side being alive: two ensembles, two primaries. So the proof comes first.
    """
    return Plan(
        Operation.RECOVER_QUORUM,
        f"give ZooKeeper a majority in {survivor} alone",
        (
            Step(
                "prove",
                "see proof, or an operator's explicit word, that all other servers are off",
                Expectation.of(Check.OTHERS_OFF, survivor=survivor),
                do=Instruction.of(Verb.ASSERT_OTHERS_OFF, survivor=survivor),
                timeout_s=30.0,
            ),
            Step(
                "rewrite",
                f"rewrite the ensemble to the servers of {survivor} and start it",
                Expectation.of(Check.QUORUM, survivor=survivor),
                do=Instruction.of(Verb.REWRITE_ENSEMBLE, survivor=survivor),
                timeout_s=120.0,
                commits=True,
            ),
            Step(
                "writes",
                "wait until Patroni has a primary that takes writes",
                Expectation.of(Check.ACCEPTS_WRITES, host="any"),
                timeout_s=120.0,
            ),
        ),
    )


def rejoin() -> Plan:
    """The lost members are back: all servers form the ensemble again, the returned ones emptied first."""
    return Plan(
        Operation.RECOVER_QUORUM,
        "give ZooKeeper all its servers back",
        (
            Step(
                "restore",
                "empty the returned servers, and restart all with the full ensemble, the survivors first",
                Expectation.of(Check.QUORUM, survivor="all"),
                do=Instruction.of(Verb.RESTORE_ENSEMBLE),
                timeout_s=300.0,
                commits=True,
            ),
        ),
    )
