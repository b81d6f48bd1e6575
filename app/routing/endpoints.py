"""/api/v1/assignment-rules."""

from __future__ import annotations

from app.directory.endpoints import router_of
from app.routing.schemas import RULES

routers = (router_of(RULES),)
