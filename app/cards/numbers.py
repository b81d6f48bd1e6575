"""Card numbers: checked, and never shown. Pure."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from stdnum import luhn

LENGTHS = range(12, 20)  # ISO/IEC 7812: up to 19 digits
BIN_DIGITS, LAST_DIGITS = 6, 4  # PCI DSS 3.4.1: at most the first six and the last four may be shown
_SEPARATORS = re.compile(r"[ -]")
# A run of digits, with the separators that people write between groups, that is no part of a word, an id or a
# longer run.
_RUN = re.compile(r"(?<![\w-])[0-9](?:[ -]?[0-9]){11,18}(?![\w-])")
_NEVER_BEGINS_WITH = "0"  # issuers of ISO/TC 68 only; ids and clock readings that begin so are left readable
TOKEN_PREFIX = "tok_"  # noqa: S105  # the kind of thing, no secret


@dataclass(frozen=True, slots=True)
class CardNumber:
    """A number with a right check digit. Its text appears in no repr, and so in no log and no traceback."""

    digits: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> CardNumber:
        """Raises ValueError, whose text says nothing of the number."""
        compact = _SEPARATORS.sub("", text)
        if not is_card_number(compact):
            raise ValueError("expected a card number: 12 to 19 digits, the last of them the check digit")
        return cls(compact)

    @property
    def bin(self) -> str:
        return self.digits[:BIN_DIGITS]

    @property
    def last_four(self) -> str:
        return self.digits[-LAST_DIGITS:]


def is_card_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) in LENGTHS and bool(luhn.is_valid(digits))


def new_token() -> str:
    """What other systems call the card by: random, so that nothing leads from it to the number."""
    return TOKEN_PREFIX + secrets.token_hex(12)


def without_numbers(text: str) -> str:
    """The text with every card number in it masked: for logs, where one may come in a path or a message."""
    return _RUN.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    compact = _SEPARATORS.sub("", match[0])
    if compact.startswith(_NEVER_BEGINS_WITH) or not is_card_number(compact):
        return match[0]
    return f"{compact[:BIN_DIGITS]}{'*' * (len(compact) - BIN_DIGITS - LAST_DIGITS)}{compact[-LAST_DIGITS:]}"
