"""Every column that refers to a customer, and what becomes of its rows when cards are merged: THE registry.

A test compares it with the foreign keys in PostgreSQL's catalogue: a slice that adds a table of customers
adds its line here, or that test names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    MOVES = "moves"  # to the other card, and back when the merge is undone; needs the trigger follow_merge
    ONE = "one"  # moves where the other card has none
    STAYS = "stays"  # belongs to the card as it was; readers go through merged_into, or copy what is distinct


@dataclass(frozen=True, slots=True)
class Reference:
    """`key` names the rows: the primary key's column."""

    table: str
    column: str
    way: Way
    reason: str
    key: str = "id"

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


REFERENCES = (
    Reference("crm.request", "customer_id", Way.MOVES, "one history of one customer"),
    Reference("crm.call", "customer_id", Way.MOVES, "one history of one customer"),
    Reference(
        "crm.card", "customer_id", Way.MOVES, "the fleet's cards go with it, and what is bought with them"
    ),
    Reference("crm.representative", "customer_id", Way.MOVES, "whoever spoke for the one speaks for both"),
    Reference("crm.identification", "customer_id", Way.STAYS, "what was verified of the card as it was"),
    *(
        Reference(table, "customer_id", Way.MOVES, "what was agreed with a customer goes with it")
        for table in (
            "crm.deal",
            "crm.task",
            "crm.contract",
            "crm.sales_order",
            "crm.claim",
            "crm.claim_document",
        )
    ),
    Reference(
        "crm.record_event", "customer_id", Way.MOVES, "a history goes with its record", key="record_id"
    ),
    Reference("crm.chat_message", "customer_id", Way.MOVES, "one chat of one customer"),
    Reference("crm.account", "customer", Way.MOVES, "whoever signs in sees the card that lives"),
    Reference("crm.customer", "merged_into", Way.MOVES, "cards merged earlier lead to the last one at once"),
    Reference(
        "crm.customer_profile", "customer_id", Way.ONE, "the living card's own says more", key="customer_id"
    ),
    Reference(
        "crm.ledger_account", "owner", Way.STAYS, "its points go over by an entry of the ledger, and back"
    ),
    Reference("crm.customer_merge", "source_id", Way.STAYS, "the record of what was done"),
    Reference("crm.customer_merge", "target_id", Way.STAYS, "the record of what was done"),
)
MOVING = tuple(reference for reference in REFERENCES if reference.way is not Way.STAYS)
