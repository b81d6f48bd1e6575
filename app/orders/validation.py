"""What keeps an order from being submitted: requisites, items, vehicle. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from stdnum.exceptions import ValidationError
from stdnum.ru import inn

from app.catalogue.schemas import Packaging
from app.errors import FieldError
from app.language.said import said
from app.orders.rules import total
from app.orders.schemas import Allowed, Delivery, Item, Order, Requisites, Vehicle, VehicleKind

# Plates: GOST R 50577 (А123ВС77, trailers АВ123477), Kazakhstan's ST RK 986 (123ABC02, trailers 12ABC02).
_LETTERS = "АВЕКМНОРСТУХ"
_ALIKE = str.maketrans("ABEKMHOPCTYX", _LETTERS)
_RUSSIAN = re.compile(rf"[{_LETTERS}]\d{{3}}[{_LETTERS}]{{2}}\d{{2,3}}")
_RUSSIAN_TRAILER = re.compile(rf"[{_LETTERS}]{{2}}\d{{6,7}}")
_KAZAKH = re.compile(r"\d{3}[A-Z]{2,3}\d{2}")
_KAZAKH_TRAILER = re.compile(r"\d{2}[A-Z]{3}\d{2}")

MISSING = "required"
BEYOND = Decimal(10) ** 14  # crm.sales_order.full_amount is numeric(16, 2)


@dataclass(frozen=True, slots=True)
class Basis:
    """The contract that an order rests on. `products`: what it allows; `in_force`: whether today."""

    in_force: bool
    currency: str
    products: Mapping[str, Allowed]


def faults(order: Order, basis: Basis | None, today: date) -> list[FieldError]:
    """Everything that is wrong with the order, field by field. `basis`: None without a reachable contract."""
    return [
        *_contract(order, basis),
        *_requisites(order.requisites, today),
        *_items(order.items, {} if basis is None else basis.products),
        *vehicle_faults(order, {} if basis is None else basis.products),
        *_sum(order, {} if basis is None else basis.products),
    ]


def _missing(pointer: str) -> FieldError:
    return FieldError(pointer, MISSING, "the order needs the field")


def _contract(order: Order, basis: Basis | None) -> Iterator[FieldError]:
    if order.contract_id is None:
        yield _missing("/contract_id")
    elif basis is None:
        yield FieldError("/contract_id", "unknown-contract", "the customer has no such contract")
    elif not basis.in_force:
        yield FieldError("/contract_id", "not-in-force", "the contract is not in force today")


def _requisites(requisites: Requisites, today: date) -> Iterator[FieldError]:
    for name in ("consignee", "delivery", "wanted_on"):
        if getattr(requisites, name) is None:
            yield _missing(f"/requisites/{name}")
    if requisites.delivery is Delivery.DELIVERY and requisites.address is None:
        yield _missing("/requisites/address")
    if requisites.wanted_on is not None and requisites.wanted_on < today:
        yield FieldError("/requisites/wanted_on", "in-the-past", "the day has passed")
    if requisites.consignee_inn is not None:
        try:
            inn.validate(requisites.consignee_inn)
        except ValidationError:
            yield FieldError("/requisites/consignee_inn", "inn-checksum", "checksum does not match")


def _items(items: tuple[Item, ...], allowed: Mapping[str, Allowed]) -> Iterator[FieldError]:
    if not items:
        yield _missing("/items")
    seen: set[str] = set()
    for place, item in enumerate(items):
        where = f"/items/{place}"
        if item.product in seen:
            yield FieldError(f"{where}/product", "repeated", "the product stands in the order twice")
        seen.add(item.product)
        found = allowed.get(item.product)
        if found is None:
            yield FieldError(f"{where}/product", "not-in-contract", "the contract does not allow the product")
            continue
        if found.packaging is Packaging.PACKED and item.quantity != int(item.quantity):
            yield FieldError(f"{where}/quantity", "not-whole", "packed goods are ordered by the piece")
        if found.max_quantity is not None and item.quantity > found.max_quantity:
            detail = said("the contract allows {most} at most", most=found.max_quantity)
            yield FieldError(f"{where}/quantity", "too-much", detail)


def _sum(order: Order, allowed: Mapping[str, Allowed]) -> Iterator[FieldError]:
    if all(item.product in allowed for item in order.items) and total(order, allowed) >= BEYOND:
        yield FieldError("/items", "too-much", "the sum is too large for an order")


def vehicle_faults(order: Order, allowed: Mapping[str, Allowed]) -> Iterator[FieldError]:
    """What is wrong with who comes to fetch it. Without `allowed` it is not known what the goods need."""
    if order.requisites.delivery is not Delivery.PICKUP:
        return
    vehicle = order.vehicle or Vehicle()
    for name in ("kind", "plate", "driver", "driver_document"):
        if getattr(vehicle, name) is None:
            yield _missing(f"/vehicle/{name}")
    if vehicle.plate is not None and not is_plate(vehicle.plate):
        yield FieldError("/vehicle/plate", "plate", "it is no registration plate of Russia or Kazakhstan")
    if vehicle.trailer_plate is not None and not is_trailer_plate(vehicle.trailer_plate):
        yield FieldError(
            "/vehicle/trailer_plate", "plate", "it is no registration plate of Russia or Kazakhstan"
        )
    packagings = {allowed[item.product].packaging for item in order.items if item.product in allowed}
    if vehicle.kind is VehicleKind.TRUCK and Packaging.BULK in packagings:
        yield FieldError("/vehicle/kind", "needs-tanker", "bulk goods need a tanker")
    if vehicle.kind is VehicleKind.TANKER and Packaging.PACKED in packagings:
        yield FieldError("/vehicle/kind", "needs-truck", "packed goods need a truck")


def is_plate(text: str) -> bool:
    latin, russian = _plain(text)
    return bool(_RUSSIAN.fullmatch(russian) or _KAZAKH.fullmatch(latin))


def is_trailer_plate(text: str) -> bool:
    latin, russian = _plain(text)
    return bool(_RUSSIAN_TRAILER.fullmatch(russian) or _KAZAKH_TRAILER.fullmatch(latin))


def _plain(text: str) -> tuple[str, str]:
    """Without spaces and hyphens, in capitals; and with the letters that look alike made Russian."""
    latin = re.sub(r"[\s-]", "", text).upper()
    return latin, latin.translate(_ALIKE)
