"""/api/v1/units and /api/v1/people."""

from __future__ import annotations

from app.directory.endpoints import router_of
from app.staff.schemas import PEOPLE, UNITS

routers = (router_of(UNITS), router_of(PEOPLE))
