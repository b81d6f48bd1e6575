"""Who is asking. The seam for sign-in: until that exists everyone is `anonymous`, and no header is believed.

Idempotency keys, history and (later) row-level security hang on `Principal.id`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends


@dataclass(frozen=True, slots=True)
class Principal:
    id: str


ANONYMOUS = Principal("anonymous")


async def current_principal() -> Principal:
    return ANONYMOUS


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
