"""Who is asking, for endpoints. `app.signin.middleware` has found it out before any of them is reached."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends

from app.access.masking import as_shown
from app.access.principal import TRUSTED, Principal, current_access


async def current_principal() -> Principal:
    return (current_access() or TRUSTED).principal


def shown_now(value: Any) -> Any:
    """The value as whoever is asking is shown it: masked, where it has to be."""
    return as_shown(value, current_access() or TRUSTED)


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
