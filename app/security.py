"""Who is asking, for endpoints. `app.signin.middleware` has found it out before any of them is reached."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from app.access.policy import Hidden
from app.access.principal import TRUSTED, Principal, current_access


async def current_principal() -> Principal:
    return (current_access() or TRUSTED).principal


def hidden_now() -> frozenset[Hidden]:
    """What is masked in answers to whoever is asking."""
    return (current_access() or TRUSTED).hidden


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
