"""/api/v1/promotions. Which of them hold for a customer now stands in the single window."""

from __future__ import annotations

from app.directory.endpoints import router_of
from app.promotions.schemas import PROMOTIONS

router = router_of(PROMOTIONS)
