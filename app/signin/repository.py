"""The SQL of accounts and signing keys. Runs as `SIGN_IN` (see app.access.principal)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg.rows import TupleRow

from app.access.policy import Role
from app.access.principal import Principal
from app.database.units import READ_GATE, Read


@dataclass(frozen=True, slots=True)
class Account:
    """What a sign-in has to know. `failures` in a row, since the last success."""

    principal: Principal
    password_hash: str | None
    totp_sealed: bytes | None
    failures: int
    locked_until: datetime | None


@dataclass(frozen=True, slots=True)
class SealedKey:
    kid: str
    public: Ed25519PublicKey
    private_sealed: bytes
    signs_from: datetime
    verifies_until: datetime | None


_PRINCIPAL = "a.id, a.roles, a.units, a.regions, a.partner, a.customer::text"


def _principal(row: TupleRow) -> Principal:
    id_, roles, units, regions, partner, customer = row
    known = frozenset(Role(name) for name in roles if name in set(Role))
    return Principal(id_, known, tuple(units), tuple(regions), partner, customer)


def _account(row: TupleRow) -> Account:
    return Account(_principal(row[:6]), *row[6:])


def _sealed(row: TupleRow) -> SealedKey:
    kid, public, *rest = row
    return SealedKey(kid, Ed25519PublicKey.from_public_bytes(public), *rest)


ACCOUNT = Read(
    f"""
    SELECT {_PRINCIPAL}, a.password_hash, a.totp_sealed, a.failures, a.locked_until
    FROM crm.account a
    WHERE {READ_GATE} AND a.id = %(id)s AND a.kind = 'person' AND a.disabled_at IS NULL""",
    _account,
)
# The key, and the one before it while that is still good.
SERVICES = Read(
    f"""
    SELECT {_PRINCIPAL}, held.key_hash
    FROM crm.account a
    CROSS JOIN LATERAL (VALUES (a.key_hash, NULL), (a.key_hash_before, a.key_before_until))
         AS held (key_hash, until)
    WHERE {READ_GATE} AND a.kind = 'service' AND a.disabled_at IS NULL AND held.key_hash IS NOT NULL
      AND (held.until IS NULL OR held.until > now())""",
    lambda row: (bytes(row[6]), _principal(row[:6])),
)
SIGNING_KEYS = Read(
    f"""
    SELECT s.kid, s.public_key, s.private_sealed, s.signs_from, s.verifies_until FROM crm.signing_key s
    WHERE {READ_GATE} AND (s.verifies_until IS NULL OR s.verifies_until > now())""",
    _sealed,
)

FAILED = """
UPDATE crm.account SET failures = failures + 1, locked_until = now() + %(lock)s::interval
WHERE id = %(id)s
"""
# A step of the second factor counts once, however many ask at the same moment.
SUCCEEDED = """
UPDATE crm.account SET failures = 0, locked_until = NULL, totp_step = coalesce(%(step)s, totp_step)
WHERE id = %(id)s AND (%(step)s::bigint IS NULL OR totp_step IS NULL OR totp_step < %(step)s)
RETURNING id
"""
# The first key signs at once; a later one after a while. Its predecessors verify until their tokens ended.
INSERT_KEY = """
INSERT INTO crm.signing_key (kid, public_key, private_sealed, signs_from)
SELECT %(kid)s, %(public)s, %(sealed)s,
       CASE WHEN EXISTS (SELECT FROM crm.signing_key) THEN now() + %(notice)s ELSE now() END
"""
RETIRE_KEYS = """
UPDATE crm.signing_key SET verifies_until = now() + %(notice)s + %(longest)s
WHERE verifies_until IS NULL AND kid <> %(kid)s
"""
