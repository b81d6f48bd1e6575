"""The keys under which card numbers are sealed and found: versioned, outside of the database.

`CRM_CARD_KEYS=2:<base64>,1:<base64>`: the first version seals, all are valid. Each is 32 random bytes, from
which the keys for sealing, finding and recognising are derived, so that none stands in for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.cards.numbers import CardNumber

KEY_BYTES = 32
NONCE_BYTES = 12
MAX_VERSION = 32_767  # smallint


class CardSealError(Exception):
    """Sealed under a key that is not configured, for another card, or changed since."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted number: nonce and text with its tag, and the version of the key."""

    content: bytes
    version: int


@dataclass(frozen=True, slots=True)
class _Version:
    cipher: AESGCM = field(repr=False)
    finding: bytes = field(repr=False)
    recognising: bytes = field(repr=False)

    @classmethod
    def of(cls, master: bytes) -> _Version:
        return cls(AESGCM(_derived(master, "seal")), _derived(master, "find"), _derived(master, "recognise"))


def _derived(master: bytes, use: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"twinsite card {use}".encode()).derive(master)


class CardKeys:
    """Every version that is valid now; `current` is the one that seals."""

    def __init__(self, masters: Mapping[int, bytes], current: int) -> None:
        self._versions = {version: _Version.of(master) for version, master in masters.items()}
        self.current = current

    @classmethod
    def parse(cls, text: str) -> CardKeys:
        """From the setting. Raises ValueError, whose text says nothing of the keys."""
        pairs = [_pair(part) for part in text.split(",")]
        if len(dict(pairs)) != len(pairs):
            raise ValueError("card_keys: a version is given twice")
        return cls(dict(pairs), pairs[0][0])

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(self._versions)

    def seal(self, number: CardNumber, card_id: UUID) -> Sealed:
        nonce = os.urandom(NONCE_BYTES)
        content = self._versions[self.current].cipher.encrypt(
            nonce, number.digits.encode(), _bound(card_id, self.current)
        )
        return Sealed(nonce + content, self.current)

    def open(self, sealed: Sealed, card_id: UUID) -> CardNumber:
        """Raises CardSealError."""
        version = self._versions.get(sealed.version)
        if version is None:
            raise CardSealError(f"card {card_id}: version {sealed.version} of the key is not configured")
        nonce, content = sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:]
        try:
            digits = version.cipher.decrypt(nonce, content, _bound(card_id, sealed.version))
        except InvalidTag as error:
            raise CardSealError(f"card {card_id}: not sealed with this key for this card") from error
        return CardNumber(digits.decode())

    def lookups(self, number: CardNumber) -> Mapping[int, bytes]:
        """By version, the hash under which the number is found. Without the key it tells nothing."""
        return {
            version: hmac.digest(keys.finding, number.digits.encode(), hashlib.sha256)
            for version, keys in self._versions.items()
        }

    def fingerprint(self, content: bytes) -> bytes:
        """Of a request that holds a number: to recognise its repetition.

        A plain hash of such a request would give the number away: BIN, last four and check digit leave some
        100,000 numbers to try. The oldest version, as every host still has it while keys change.
        """
        return hmac.digest(self._versions[min(self._versions)].recognising, content, hashlib.sha256)


def _bound(card_id: UUID, version: int) -> bytes:
    return b"card %b %d" % (card_id.bytes, version)


def _pair(part: str) -> tuple[int, bytes]:
    version, separator, key = part.strip().partition(":")
    try:
        master = base64.b64decode(key, validate=True)
    except binascii.Error:
        master = b""
    usable = version.isdecimal() and 0 < int(version) <= MAX_VERSION
    if not separator or not usable or len(master) != KEY_BYTES:
        raise ValueError(f"card_keys: expected VERSION:KEY with {KEY_BYTES} bytes in base64, by comma")
    return int(version), master
