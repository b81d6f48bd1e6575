"""Keys that stand on the card are found there, whichever release wrote it; what replaces two foreign keys."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from app.migrate import Migration, load, migrate
from app.roles import Role, ensure_database, ensure_roles

pytestmark = pytest.mark.safety

BEFORE = [migration for migration in load() if migration.version < 120]
EARLIER, LATER, NOBODY = (UUID(int=number) for number in (1, 2, 3))
# As the release before writes a card, in short.
CARD = """
WITH card AS (
    INSERT INTO crm.customer
        (id, kind, stage, name, inn, ogrn, snils, external_id, given, created_at, updated_at)
    VALUES (%(id)s, 'company', 'customer', 'ООО', %(of)s || 'i', %(of)s || 'o', %(of)s || 's', %(of)s || 'x',
            '{}', now(), now())
), keys AS (
    INSERT INTO crm.customer_key (value, kind, customer_id)
    VALUES (%(of)s || 'i', 'inn', %(id)s), (%(of)s || 'o', 'ogrn', %(id)s), (%(of)s || 's', 'snils', %(id)s),
           (%(of)s || 'x', 'external_id', %(id)s), (%(of)s || 'p', 'phone', %(id)s),
           (%(of)s || 'a', 'address', %(id)s), (%(of)s || 'c', 'contract', %(id)s)
)
INSERT INTO crm.contact (id, customer_id, kind, value, position)
VALUES (%(id)s, %(id)s, 'phone', %(of)s || 'p', 1)
"""
ENTITY = "INSERT INTO crm.legal_entity (ogrn, inn) VALUES (%s, %s)"
NOBODYS_CONTACT = """
INSERT INTO crm.contact (id, customer_id, kind, value, position) VALUES (%(no)s, %(no)s, 'phone', '', 1)
"""
OTHERS_OGRN = """
INSERT INTO crm.customer (id, kind, stage, name, inn, kpp, ogrn, given, created_at, updated_at)
VALUES (%(no)s, 'company', 'customer', '', 'other', 'branch', 'eo', '{}', now(), now())
"""
KINDS = "SELECT array_agg(DISTINCT kind ORDER BY kind) FROM crm.customer_key"
FOUND = "SELECT right(value, 1), kind FROM crm.exact_key WHERE customer_id = %s ORDER BY kind"
ALL = [
    *(("a", "address"), ("c", "contract"), ("x", "external_id"), ("i", "inn"), ("o", "ogrn")),
    *(("p", "phone"), ("s", "snils")),
]


@pytest.fixture
def owner(postgres_server):
    """A session of the owner's in a database of the release before."""
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        ensure_roles(connection, dict.fromkeys(Role, postgres_server.password))
        ensure_database(connection, "exact_keys")
        url = postgres_server.url("exact_keys", Role.OWNER.value)
        migrate(url, BEFORE, finish=True)
        with psycopg.connect(url, autocommit=True) as session:
            yield session
        connection.execute("DROP DATABASE exact_keys WITH (FORCE)")


def url_of(session):
    return f"{session.info.dsn} password={session.info.password}"


def write(session, id_, of):
    session.execute(ENTITY, (f"{of}o", f"{of}i"))
    session.execute(CARD, {"id": id_, "of": of})


def test_cards_are_found_before_between_and_after_the_two_releases(owner):
    write(owner, EARLIER, "e")
    migrate(url_of(owner))
    write(owner, LATER, "l")
    assert owner.execute("SELECT crm.keys_are_doubled()").fetchone() == (True,)
    for card in (EARLIER, LATER):
        assert owner.execute(FOUND, (card,)).fetchall() == ALL
    migrate(url_of(owner), finish=True)
    assert owner.execute("SELECT crm.keys_are_doubled()").fetchone() == (False,)
    assert owner.execute(KINDS).fetchone() == (["address", "contract"],)
    for card in (EARLIER, LATER):
        assert owner.execute(FOUND, (card,)).fetchall() == ALL


@pytest.mark.parametrize(
    "statement",
    [
        NOBODYS_CONTACT,
        "UPDATE crm.contact SET customer_id = %(no)s",
        "UPDATE crm.customer SET ogrn = 'none'",
        "UPDATE crm.customer SET inn = 'none'",
        OTHERS_OGRN,
        "DELETE FROM crm.customer",
        "UPDATE crm.customer SET id = %(no)s",
        "DELETE FROM crm.legal_entity",
        "UPDATE crm.legal_entity SET inn = 'other'",
    ],
)
def test_what_the_foreign_keys_refused_is_refused(owner, statement):
    migrate(url_of(owner), finish=True)
    write(owner, EARLIER, "e")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        owner.execute(statement, {"no": NOBODY})


def test_what_an_interrupted_migration_outside_a_transaction_left_is_cleared_away(owner):
    halves = ("CREATE TABLE crm.half (id int)", "SELECT 1 / {}", "DROP TABLE IF EXISTS crm.half")
    broken, whole = (
        Migration(9000, "alone", "\n\n".join((halves[2], halves[0], halves[1].format(by))), alone=True)
        for by in (0, 1)
    )
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(url_of(owner), [*BEFORE, broken])
    assert owner.execute("SELECT to_regclass('crm.half')::text").fetchone() == ("crm.half",)
    assert migrate(url_of(owner), [*BEFORE, whole]) == (whole,)
    assert migrate(url_of(owner), [*BEFORE, whole]) == ()
