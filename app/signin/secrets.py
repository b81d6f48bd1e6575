"""Secrets at rest: what can be compared is hashed, what must be read again is encrypted."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
SERVICE_PREFIX = "tws_"
# OWASP's second choice for argon2id (19 MiB, 2 passes): some 20 ms, as an application host has little memory.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Checked in place of an account that does not exist, so that time does not tell.
_NOBODYS_HASH = _HASHER.hash(secrets.token_hex(16))


class SealBrokenError(Exception):
    """Encrypted with another CRM_ACCESS_SECRET, for another purpose, or changed."""


class Vault:
    """AES-256-GCM; `purpose` is bound to the text, so that one cannot be put in another's place."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESGCM(base64.b64decode(secret))

    def seal(self, text: bytes, purpose: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises SealBrokenError."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise SealBrokenError(f"{purpose}: not sealed with this CRM_ACCESS_SECRET") from error


def hash_password(password: str) -> str:
    return _HASHER.hash(password)


def password_matches(stored: str | None, password: str) -> bool:
    """Takes as long for an account that does not exist."""
    try:
        return _HASHER.verify(stored or _NOBODYS_HASH, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def new_service_key() -> str:
    return SERVICE_PREFIX + secrets.token_urlsafe(32)


def hash_service_key(key: str) -> bytes:
    """A plain hash will do for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(key.encode()).digest()
