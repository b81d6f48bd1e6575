"""What orders ask of the database beside what every record does."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from psycopg.rows import TupleRow

from app.catalogue.schemas import Packaging
from app.database.units import READ_GATE, Read, WriteUnit
from app.orders.schemas import Allowed
from app.orders.validation import Basis

# The contract with all that it allows, if the asker reaches it and it is the customer's own.
_COLUMNS = """
k.status = 'active' AND k.valid_from <= %(today)s AND coalesce(k.valid_until >= %(today)s, true), k.currency,
coalesce((SELECT jsonb_object_agg(p.code, jsonb_build_array(i.price::text, i.max_quantity::text, p.packaging))
          FROM crm.contract_product i JOIN crm.catalogue_product p ON p.code = i.product AND p.active
          WHERE i.contract_id = k.id AND p.code = ANY(%(products)s)), '{}')"""
_WHERE = "k.id = %(contract_id)s AND k.customer_id = %(customer_id)s"
_BASIS = f"SELECT {_COLUMNS} FROM crm.contract k WHERE {_WHERE}"


def _basis(row: TupleRow) -> Basis:
    in_force, currency, products = row
    return Basis(
        in_force,
        currency,
        {
            code: Allowed(price=price, max_quantity=most, packaging=Packaging(packaging))
            for code, (price, most, packaging) in products.items()
        },
    )


BASIS = Read(f"{_BASIS} AND {READ_GATE}", _basis)


def about(contract_id: UUID | None, customer_id: UUID, products: list[str], today: date) -> dict[str, object]:
    """Parameters of BASIS."""
    return {"contract_id": contract_id, "customer_id": customer_id, "products": products, "today": today}


async def basis(unit: WriteUnit, parameters: dict[str, object]) -> Basis | None:
    return await unit.one(_BASIS, parameters, _basis)


async def next_number(unit: WriteUnit) -> str:
    """Rising, unique, with gaps."""
    number = await unit.one("SELECT nextval('crm.order_number')", {}, lambda row: int(row[0]))
    return f"Z-{number:08}"
