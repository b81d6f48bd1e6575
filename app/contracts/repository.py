"""What contracts ask of the database beside what every record does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from app.contracts.schemas import CONTRACTS, AllowedProduct, Contract
from app.database.units import READ_GATE, Read, WriteUnit
from app.records.repository import columns, maker

# One row even of an empty list, so that an empty contract is told from none.
PRODUCTS = Read(
    f"""
    SELECT k.id, i.product, i.price, i.max_quantity
    FROM crm.contract k LEFT JOIN crm.contract_product i ON i.contract_id = k.id
    WHERE {READ_GATE} AND k.id = %(id)s ORDER BY i.product""",
    lambda row: AllowedProduct(product=row[1], price=row[2], max_quantity=row[3]) if row[1] else None,
)
_FORGET = "DELETE FROM crm.contract_product WHERE contract_id = %(id)s"
_ALLOW = """
INSERT INTO crm.contract_product (contract_id, product, price, max_quantity)
SELECT %(id)s, p.product, p.price, p.most
FROM unnest(%(products)s::text[], %(prices)s::numeric[], %(most)s::numeric[]) AS p (product, price, most)
"""
# By contract_prolong_from_idx: what is not due is not looked at (a test explains it).
ENDING = f"""
SELECT {columns(CONTRACTS)} FROM crm.contract t
WHERE t.status = 'active' AND t.prolong_from <= %(today)s
ORDER BY t.prolong_from LIMIT %(batch)s FOR UPDATE SKIP LOCKED
"""
_OWN_DEAL = "SELECT 1 FROM crm.deal o WHERE o.id = %(id)s AND o.customer_id = %(customer_id)s"


async def own_deal(unit: WriteUnit, id_: UUID, customer_id: UUID) -> bool:
    """With the asker's eyes: the foreign key would see all deals."""
    parameters = {"id": id_, "customer_id": customer_id}
    return await unit.one(_OWN_DEAL, parameters, lambda row: row[0]) is not None


async def allow(unit: WriteUnit, id_: UUID, products: Sequence[AllowedProduct]) -> None:
    """Queued; the contract must be locked. An unknown product breaks `contract_product_product_fkey`."""
    await unit.queue(_FORGET, {"id": id_})
    await unit.queue(
        _ALLOW,
        {
            "id": id_,
            "products": [each.product for each in products],
            "prices": [each.price for each in products],
            "most": [each.max_quantity for each in products],
        },
    )


async def ending(unit: WriteUnit, today: date, batch: int) -> list[Contract]:
    return await unit.all(ENDING, {"today": today, "batch": batch}, maker(CONTRACTS))
