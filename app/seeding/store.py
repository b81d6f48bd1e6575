"""Putting stations, cards and transactions into the base. Seeding again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from typing import TypeVar
from uuid import UUID

import psycopg

from app.access.policy import Role
from app.access.principal import Principal, access_of
from app.cards.keys import CardKeys
from app.database.units import ACT
from app.identity import new_id, now
from app.promotions.schemas import PROMOTIONS
from app.seeding import estate, profiles, repository
from app.seeding.estate import FuelCard, Station, Transaction
from app.seeding.promotions import promotions

T = TypeVar("T")

BATCH = 5000
ACTS_AS = access_of(Principal("seed", frozenset({Role.SYSTEM})))

_STATIONS = """
WITH kept AS (
    INSERT INTO crm.station (code, active, changed_by, title, known_as, region)
    SELECT t.code, true, 'seed', t.title, t.known_as, t.region
    FROM unnest(%(code)s::text[], %(title)s::text[], %(known_as)s::text[], %(region)s::text[])
         AS t (code, title, known_as, region)
    ON CONFLICT DO NOTHING RETURNING *
)
INSERT INTO crm.directory_version (directory, code, version, changed_at, changed_by, content)
SELECT 'stations', k.code, k.version, k.changed_at, k.changed_by,
       to_jsonb(k) - '{version,changed_at,changed_by}'::text[]
FROM kept k
"""
_OWNERS = """
SELECT k.value, min(k.customer_id::text)::uuid FROM crm.exact_key k
WHERE k.kind = 'external_id' AND k.value = ANY(%s) GROUP BY k.value
"""
_CARDS = """
INSERT INTO crm.card (id, token, bin, last_four, number_sealed, key_version, customer_id, status, products,
                      stations, version, created_at, changed_at)
SELECT t.id, t.token, t.bin, t.last_four, t.sealed, %(version)s, t.owner, 'active', '{}', '{}', 1, %(at)s,
       %(at)s
FROM unnest(%(id)s::uuid[], %(token)s::text[], %(bin)s::text[], %(last_four)s::text[], %(sealed)s::bytea[],
            %(owner)s::uuid[]) AS t (id, token, bin, last_four, sealed, owner)
ON CONFLICT ON CONSTRAINT card_token_key DO NOTHING
RETURNING id
"""
_LOOKUPS = "INSERT INTO crm.card_lookup (hash, key_version, card_id) VALUES (%s, %s, %s)"
_EVENTS = """
INSERT INTO crm.card_event (card_id, version, kind, at, actor)
SELECT unnest(%s::uuid[]), 1, 'issued', %s, 'seed'
"""
_TAKE = """
SELECT count(*) FROM crm.take_card_transactions(
    %(processing_id)s::text[], %(card_token)s::text[], %(station)s::text[], %(product)s::text[],
    %(quantity)s::numeric[], %(amount)s::numeric[], %(currency)s::text[], %(occurred_at)s::timestamptz[],
    %(received_at)s)
"""


def seed_stations(dsn: str, count: int) -> Iterator[int]:
    """Yields the number done after each batch; so do the others. Raises psycopg.Error."""
    return in_batches(dsn, estate.stations(count), _store_stations)


def seed_profiles(dsn: str, customers: int, seed: int) -> Iterator[int]:
    """Of the companies among so many seeded customers. A profile that somebody gave stays."""
    companies = range(estate.companies_among(customers))
    return in_batches(
        dsn,
        map(estate.company_number, companies),
        lambda connection, batch: _store_profiles(connection, batch, seed),
    )


def seed_promotions(dsn: str, count: int) -> Iterator[int]:
    return in_batches(
        dsn,
        promotions(count),
        lambda connection, batch: repository.enter(connection, (PROMOTIONS, batch)),
    )


def seed_cards(dsn: str, keys: CardKeys, count: int, owners: int, seed: int) -> Iterator[int]:
    """Cards whose customers are not there are left out."""
    return in_batches(
        dsn,
        estate.cards(seed, count, owners),
        lambda connection, batch: _store_cards(connection, keys, batch),
    )


def seed_transactions(dsn: str, count: int, cards: int, stations: int, seed: int) -> Iterator[int]:
    """Each once, like all transactions. Their months are made first."""
    _ensure_months(dsn)
    return in_batches(dsn, estate.transactions(seed, count, cards, stations), _store_transactions)


def in_batches(
    dsn: str, rows: Iterator[T], store: Callable[[psycopg.Connection, Sequence[T]], None]
) -> Iterator[int]:
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="crm seed") as connection:
        done = 0
        while batch := list(islice(rows, BATCH)):
            with connection.transaction():
                connection.execute(ACT, ACTS_AS.parameters)
                store(connection, batch)
            done += len(batch)
            yield done


def _columns(rows: Sequence[Station] | Sequence[Transaction]) -> dict[str, list[object]]:
    records = [asdict(row) for row in rows]
    return {name: [record[name] for record in records] for name in records[0]}


def _store_stations(connection: psycopg.Connection, batch: Sequence[Station]) -> None:
    connection.execute(_STATIONS, _columns(batch))


def _store_profiles(connection: psycopg.Connection, batch: Sequence[int], seed: int) -> None:
    kept = {"changed_at": now(), "changed_by": "seed"}
    rows = [
        {"customer_id": each.id, **profiles.profile(seed, each.number, each.name).model_dump(), **kept}
        for each in repository.buyers(connection, batch).values()
    ]
    repository.add(connection, "crm.customer_profile", rows, again=True)


def _store_cards(connection: psycopg.Connection, keys: CardKeys, batch: Sequence[FuelCard]) -> None:
    owners: dict[str, UUID] = dict(
        connection.execute(_OWNERS, (sorted({card.owner for card in batch}),)).fetchall()
    )
    cards = {new_id(): card for card in batch if card.owner in owners}
    sealed = [keys.seal(card.number, id_) for id_, card in cards.items()]
    moment = now()
    values = {
        "id": list(cards),
        "token": [card.token for card in cards.values()],
        "bin": [card.number.bin for card in cards.values()],
        "last_four": [card.number.last_four for card in cards.values()],
        "sealed": [item.content for item in sealed],
        "owner": [owners[card.owner] for card in cards.values()],
    }
    made = connection.execute(_CARDS, {**values, "version": keys.current, "at": moment}).fetchall()
    new = [id_ for (id_,) in made]
    lookups = [
        (found_by, version, id_)
        for id_ in new
        for version, found_by in keys.lookups(cards[id_].number).items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_LOOKUPS, lookups)
    connection.execute(_EVENTS, (new, moment))


def _store_transactions(connection: psycopg.Connection, batch: Sequence[Transaction]) -> None:
    connection.execute(_TAKE, {**_columns(batch), "currency": ["RUB"] * len(batch), "received_at": now()})


def _ensure_months(dsn: str) -> None:
    months = {
        (estate.FIRST_DAY + timedelta(days=day)).date().replace(day=1) for day in range(estate.PERIOD.days)
    }
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="crm seed") as connection:
        for month in sorted(months):
            connection.execute("SELECT crm.ensure_card_transaction_month(%s)", (month,))
