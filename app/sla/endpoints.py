"""/api/v1/calendars and /api/v1/regions."""

from __future__ import annotations

from app.directory.endpoints import router_of
from app.sla.schemas import CALENDARS, REGIONS

routers = (router_of(CALENDARS), router_of(REGIONS))
