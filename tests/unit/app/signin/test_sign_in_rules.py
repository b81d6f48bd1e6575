"""Tokens, lock-out, the second factor, secrets at rest."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import jwt
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.access.policy import Role
from app.access.principal import Principal
from app.signin import rules, tokens
from app.signin.secrets import SealBrokenError, Vault, hash_password, password_matches
from app.signin.tokens import LIFETIMES, SigningKey, TokenError, UnknownKeyError, Use

pytestmark = pytest.mark.safety

PETROVA = Principal("petrova", frozenset({Role.HEAD}), ("north",), ("77", "50"), None, None)


def _key(kid="k1", **changes):
    private = Ed25519PrivateKey.generate()
    values = {"signs_from": datetime.now(UTC), "verifies_until": None, **changes}
    return SigningKey(kid, private.public_key(), private, **values)


def test_a_token_brings_its_principal_back():
    key, now = _key(), datetime.now(UTC)
    token = tokens.issue(PETROVA, Use.ACCESS, key, now)
    principal, expires = tokens.verify(token, Use.ACCESS, {"k1": key}, now)
    assert principal == PETROVA
    assert expires == (now + LIFETIMES[Use.ACCESS]).replace(microsecond=0)


def test_what_is_no_token_of_ours_is_refused():
    key, now = _key(), datetime.now(UTC)
    token = tokens.issue(PETROVA, Use.ACCESS, key, now)
    head, body, signature = token.split(".")
    old = tokens.issue(PETROVA, Use.ACCESS, key, now - timedelta(hours=1))
    unsigned = jwt.encode({"sub": "x", "aud": tokens.AUDIENCE}, None, "none", {"kid": "k1"})
    foreign = tokens.issue(PETROVA, Use.ACCESS, _key(), now)
    refresh = tokens.issue(PETROVA, Use.REFRESH, key, now)
    for bad in (
        "",
        "x",
        f"{head}.{body}.",
        f"{head}.{body[:-4]}AAAA.{signature}",
        old,
        unsigned,
        foreign,
        refresh,
    ):
        with pytest.raises(TokenError):
            tokens.verify(bad, Use.ACCESS, {"k1": key}, now)


def test_keys_are_known_or_retired():
    now = datetime.now(UTC)
    key = _key(verifies_until=now - timedelta(seconds=1))
    token = tokens.issue(PETROVA, Use.ACCESS, key, now)
    with pytest.raises(UnknownKeyError):
        tokens.verify(token, Use.ACCESS, {}, now)
    with pytest.raises(TokenError, match="retired"):
        tokens.verify(token, Use.ACCESS, {"k1": key}, now)


def test_locks_double_up_to_an_hour():
    assert [rules.lock_after(n) for n in (1, 4)] == [None, None]
    assert rules.lock_after(5) == timedelta(seconds=30)
    assert rules.lock_after(6) == timedelta(seconds=60)
    assert rules.lock_after(10_000) == timedelta(hours=1)


def test_a_code_counts_in_its_step_and_its_neighbours():
    secret = pyotp.random_base32()
    code = pyotp.TOTP(secret).at(3000)
    assert [rules.totp_step(secret, code, at) for at in (2970, 3000, 3030)] == [100, 100, 100]
    assert rules.totp_step(secret, code, 3090) is None


def test_a_sealed_secret_opens_for_its_purpose_only():
    vault = Vault(base64.b64encode(bytes(32)).decode())
    sealed = vault.seal(b"text", "totp petrova")
    assert vault.open(sealed, "totp petrova") == b"text"
    for purpose, changed in (("totp ivanov", sealed), ("totp petrova", sealed[:-1] + b"\0")):
        with pytest.raises(SealBrokenError):
            vault.open(changed, purpose)


def test_passwords():
    stored = hash_password("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert password_matches(stored, "correct horse battery")
    assert not password_matches(stored, "wrong")
    assert not password_matches(None, "")
