"""JSON out: one encoder for answers, stored answers and logs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson


def encode(value: Any) -> bytes:
    """Compact JSON. Decimals become strings, as a float would change them."""
    return orjson.dumps(value, default=_other, option=orjson.OPT_UTC_Z)


def _other(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no JSON form here")
