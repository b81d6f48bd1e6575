"""Changing the keys of card numbers: seal anew under the current version, then forget the old ones.

The order of a change, with every host serving all the while, is in docs/crm-cards.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import psycopg

from app.access.policy import Role
from app.access.principal import Principal, access_of
from app.cards.keys import CardKeys, Sealed
from app.database.units import ACT

BATCH = 500
ACTS_AS = access_of(Principal("system:card-keys", frozenset({Role.SYSTEM})))

# Rows that somebody blocks right now come with a later batch.
_OLD = """
SELECT c.id, c.number_sealed, c.key_version FROM crm.card c
WHERE c.key_version <> %s ORDER BY c.key_version, c.id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
_SEAL = "UPDATE crm.card SET number_sealed = %s, key_version = %s WHERE id = %s"
_FIND = """
INSERT INTO crm.card_lookup (hash, key_version, card_id) VALUES (%s, %s, %s)
ON CONFLICT ON CONSTRAINT card_lookup_version_key DO NOTHING
"""
_LEFT = "SELECT count(*) FROM crm.card WHERE key_version <> %s"
_FORGET = "DELETE FROM crm.card_lookup WHERE key_version <> %s"


class OldKeysInUseError(Exception):
    """Cards are still sealed under another version than the current one."""


def rekey(connection: psycopg.Connection, keys: CardKeys) -> Iterator[int]:
    """Seal under the current version what is sealed under another; yields the cards done, batch by batch.

    Each batch is a transaction, so an interrupted run is simply repeated, and any number may run at once.

    Raises:
        CardSealError: a card was sealed under a version that is not configured.
    """
    done = 0
    while moved := _batch(connection, keys):
        done += moved
        yield done


def _batch(connection: psycopg.Connection, keys: CardKeys) -> int:
    with connection.transaction():
        connection.execute(ACT, ACTS_AS.parameters)
        rows = connection.execute(_OLD, (keys.current, BATCH)).fetchall()
        for id_, content, version in rows:
            _move(connection, keys, id_, Sealed(content, version))
    return len(rows)


def _move(connection: psycopg.Connection, keys: CardKeys, id_: UUID, old: Sealed) -> None:
    number = keys.open(old, id_)
    sealed = keys.seal(number, id_)
    connection.execute(_SEAL, (sealed.content, sealed.version, id_))
    for version, found_by in keys.lookups(number).items():
        connection.execute(_FIND, (found_by, version, id_))


def forget_old_versions(connection: psycopg.Connection, keys: CardKeys) -> int:
    """Remove what cards are found by under other versions than the current; returns the rows removed.

    Raises:
        OldKeysInUseError: `rekey` has not been through.
    """
    with connection.transaction():
        connection.execute(ACT, ACTS_AS.parameters)
        left = connection.execute(_LEFT, (keys.current,)).fetchone()
        if left is None or left[0]:
            raise OldKeysInUseError(f"{left and left[0]} cards are sealed under other versions; rekey first")
        return connection.execute(_FORGET, (keys.current,)).rowcount
