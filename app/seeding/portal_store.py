"""Putting zones, accounts and letters beside invented sales. What is there already stays as it is."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence

from app.access.policy import Role
from app.access.principal import Principal, access_of
from app.community.schemas import Letter
from app.database.units import ACT
from app.seeding import portal, repository, staff
from app.seeding.customers import region_of
from app.seeding.ground import Buyer, Ground
from app.seeding.repository import Connection, Row
from app.signin.secrets import hash_password

PASSWORD_VARIABLE = "CRM_SEED_PASSWORD"  # noqa: S105

# A zone that somebody gave stays.
_PLACE = """
UPDATE crm.customer c SET zone_manager = t.manager, zone_unit = t.unit, zone_region = t.region
FROM unnest(%(id)s::uuid[], %(manager)s::text[], %(unit)s::text[], %(region)s::text[])
     AS t (id, manager, unit, region)
WHERE c.id = t.id AND c.merged_into IS NULL
  AND num_nonnulls(c.zone_manager, c.zone_unit, c.zone_region, c.zone_partner) = 0
"""
_NAMES = "SELECT p.code, p.name FROM crm.person p WHERE p.unit = ANY (%s)"


def new_password_hash() -> str:
    """Of CRM_SEED_PASSWORD, the same for all; without it, of one that nobody knows."""
    return hash_password(os.environ.get(PASSWORD_VARIABLE) or secrets.token_urlsafe())


def open_to_staff(connection: Connection, password_hash: str) -> None:
    """An account for each who is there to sell."""
    titles = dict(connection.execute(_NAMES, ([office.code for office in staff.OFFICES],)).fetchall())
    _accounts(connection, list(portal.colleagues(titles)), password_hash)


def place(connection: Connection, ground: Ground, buyers: Mapping[int, Buyer]) -> None:
    """Buyers, by the number of their contract, are their manager's, office's and region's."""
    first = {buyer.id: (number, buyer) for number, buyer in reversed(list(buyers.items()))}
    regions = [region_of(buyer.number) for _, buyer in first.values()]
    offices = [staff.office_of(region) for region in regions]
    managers = [
        staff.manager(office, number % ground.managers)
        for office, (number, _) in zip(offices, first.values(), strict=True)
    ]
    units = [office.code for office in offices]
    connection.execute(_PLACE, {"id": list(first), "manager": managers, "unit": units, "region": regions})


def open_portal(connection: Connection, buyers: Mapping[int, Buyer], password_hash: str) -> None:
    once = {buyer.id: buyer for buyer in buyers.values()}
    _accounts(connection, list(portal.clients(once.values())), password_hash)


def _accounts(connection: Connection, rows: Sequence[Row], password_hash: str) -> None:
    made = [{**row, "kind": "person", "password_hash": password_hash} for row in rows]
    repository.add(connection, "crm.account", made, again=True)


def write_letters(connection: Connection, buyers: Mapping[int, Buyer], seed: int) -> None:
    """Each as its sender, as whom the transaction acts from here on: a letter is nobody else's to write."""
    companies = {portal.client(buyer.number): str(buyer.id) for buyer in buyers.values()}
    for number, buyer in buyers.items():
        asked = buyers.get(number + 1)
        for letter in portal.letters(seed, number, buyer, asked) if asked is not None else ():
            _write(connection, letter, companies[letter.sender])


def _write(connection: Connection, letter: Letter, company: str) -> None:
    sender = Principal(letter.sender, frozenset({Role.CUSTOMER}), customer=company)
    connection.execute(ACT, access_of(sender).parameters)
    repository.add(
        connection, "crm.letter", [{name: getattr(letter, name) for name in letter.__slots__}], again=True
    )
