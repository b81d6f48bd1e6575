"""Who is asking, for endpoints. `app.signin.middleware` has found it out before any of them is reached."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends

from app.access.masking import as_shown, hidden_of_order
from app.access.policy import Hidden
from app.access.principal import TRUSTED, Principal, current_access
from app.orders.schemas import Order


async def current_principal() -> Principal:
    return (current_access() or TRUSTED).principal


def shown_now(value: Any) -> Any:
    """The value as whoever is asking is shown it: masked, where it has to be."""
    return as_shown(value, current_access() or TRUSTED)


def shown_terms(order: Order) -> bool:
    """Whether whoever is asking is shown what the order costs, and by which contract."""
    return Hidden.TERMS not in hidden_of_order(order, current_access() or TRUSTED)


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
