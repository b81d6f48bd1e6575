"""The proof that the ledger is right: each statement finds what must not be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from app.access.policy import Role
from app.access.principal import Principal, access_of
from app.database.units import ACT

ACTS_AS = access_of(Principal("system:ledger-proof", frozenset({Role.SYSTEM})))
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Proof:
    """`sql` gives a line of text for each thing that is wrong."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a proof found; the first SHOWN of `count`."""

    proof: str
    count: int
    shown: Sequence[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    entries: int
    postings: int
    accounts: int
    points: str
    findings: Sequence[Finding]

    @property
    def proven(self) -> bool:
        return not self.findings


PROOFS = (
    Proof(
        "every entry sums up to zero over all of its postings",
        """SELECT format('entry %s: %s of %s postings, sum %s',
                         e.id, count(p.line), e.postings, sum(p.amount))
           FROM crm.ledger_entry e LEFT JOIN crm.ledger_posting p ON p.entry_id = e.id
           GROUP BY e.id HAVING count(p.line) <> e.postings OR coalesce(sum(p.amount), 1) <> 0""",
    ),
    Proof(
        "every balance is the sum of its postings",
        """SELECT format('account %s: balance %s, postings %s', a.id, a.balance, coalesce(s.total, 0))
           FROM crm.ledger_account a
           LEFT JOIN (SELECT account_id, sum(amount) AS total FROM crm.ledger_posting GROUP BY account_id) s
             ON s.account_id = a.id
           WHERE a.owner IS NOT NULL AND a.balance <> coalesce(s.total, 0)""",
    ),
    Proof(
        "nobody is overdrawn",
        """SELECT format('account %s: balance %s', a.id, a.balance) FROM crm.ledger_account a
           WHERE a.balance < 0""",
    ),
    Proof(
        "a reversal takes back exactly what it reverses",
        """SELECT format('entry %s does not mirror entry %s', r.id, r.reverses)
           FROM crm.ledger_entry r
           WHERE r.reverses IS NOT NULL AND EXISTS (
               SELECT FROM (SELECT account_id, amount FROM crm.ledger_posting WHERE entry_id = r.reverses
                            UNION ALL
                            SELECT account_id, amount FROM crm.ledger_posting WHERE entry_id = r.id) b
               GROUP BY b.account_id HAVING sum(b.amount) <> 0)""",
    ),
    Proof(
        "every accrual is for a transaction of the feed",
        """SELECT format('entry %s: no transaction %s', e.id, e.reference) FROM crm.ledger_entry e
           WHERE e.kind = 'accrual'
             AND NOT EXISTS (SELECT FROM crm.card_transaction t WHERE t.processing_id = e.reference)""",
    ),
    Proof(
        "all accounts together have nothing",
        """SELECT format('the sum of all postings is %s', sum(p.amount)) FROM crm.ledger_posting p
           HAVING sum(p.amount) <> 0""",
    ),
)
_TOTALS = """
SELECT (SELECT count(*) FROM crm.ledger_entry), (SELECT count(*) FROM crm.ledger_posting),
       (SELECT count(*) FROM crm.ledger_account),
       (SELECT coalesce(sum(balance), 0)::text FROM crm.ledger_account)
"""


def verify(connection: psycopg.Connection) -> Verdict:
    """All proofs on one snapshot; entries that are made meanwhile do not disturb them. A replica will do."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.transaction():
        connection.execute(ACT, ACTS_AS.parameters)
        totals = connection.execute(_TOTALS).fetchone()
        findings = [found for proof in PROOFS if (found := _look(connection, proof)) is not None]
    assert totals is not None
    entries, postings, accounts, points = totals
    return Verdict(entries, postings, accounts, points, findings)


def _look(connection: psycopg.Connection, proof: Proof) -> Finding | None:
    lines = [str(row[0]) for row in connection.execute(proof.sql.encode())]
    return Finding(proof.name, len(lines), lines[:SHOWN]) if lines else None
