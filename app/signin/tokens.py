"""Access and refresh tokens: JWTs signed with Ed25519. Pure, given keys and a clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.access.policy import Role
from app.access.principal import Principal

ALGORITHM = "EdDSA"
AUDIENCE = "twinsite-crm"
LEEWAY_SECONDS = 5  # NTP keeps the hosts closer than that


class Use(StrEnum):
    ACCESS = "access"
    REFRESH = "refresh"


LIFETIMES: Mapping[Use, timedelta] = {Use.ACCESS: timedelta(minutes=10), Use.REFRESH: timedelta(hours=12)}


class TokenError(Exception):
    """Not a token of ours, or not any more."""


class ExpiredError(TokenError):
    """It was good once: no attempt at anything."""


class UnknownKeyError(TokenError):
    """Signed by a key that is not known here (yet)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`private` is None where it cannot be opened: then it only verifies."""

    kid: str
    public: Ed25519PublicKey
    private: Ed25519PrivateKey | None
    signs_from: datetime
    verifies_until: datetime | None

    def verifies(self, now: datetime) -> bool:
        return self.verifies_until is None or now < self.verifies_until


def issue(principal: Principal, use: Use, key: SigningKey, now: datetime) -> str:
    assert key.private is not None
    claims = {
        "aud": AUDIENCE,
        "sub": principal.id,
        "use": use.value,
        "iat": now,
        "exp": now + LIFETIMES[use],
        "roles": sorted(principal.roles),
        "units": principal.units,
        "regions": principal.regions,
        "partner": principal.partner,
        "customer": principal.customer,
    }
    return jwt.encode(claims, key.private, ALGORITHM, {"kid": key.kid})


def verify(token: str, use: Use, keys: Mapping[str, SigningKey], now: datetime) -> tuple[Principal, datetime]:
    """Who it stands for and until when. Raises TokenError."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = keys.get(str(kid))
        if key is None:
            raise UnknownKeyError("signed by an unknown key")
        if not key.verifies(now):
            raise TokenError("signed by a retired key")
        claims = jwt.decode(
            token,
            key.public,
            [ALGORITHM],
            audience=AUDIENCE,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "aud", "iat"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise ExpiredError("the token has expired") from error
    except jwt.PyJWTError as error:
        raise TokenError("not a token of this API") from error
    if claims.get("use") != use.value:
        raise TokenError(f"not an {use} token")
    return _principal(claims), datetime.fromtimestamp(claims["exp"], now.tzinfo)


def _principal(claims: Mapping[str, object]) -> Principal:
    """Roles that this release does not know are left out: they could allow nothing here."""
    return Principal(
        id=str(claims["sub"]),
        roles=frozenset(Role(name) for name in _texts(claims["roles"]) if name in set(Role)),
        units=_texts(claims["units"]),
        regions=_texts(claims["regions"]),
        partner=_text(claims["partner"]),
        customer=_text(claims["customer"]),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _text(value: object) -> str | None:
    return None if value is None else str(value)
