"""/api/v1/articles and /api/v1/contact-map. A request's own articles: GET /requests/{id}/articles."""

from __future__ import annotations

from app.directory.endpoints import router_of
from app.knowledge.schemas import ARTICLES, CONTACT_MAP

routers = (router_of(ARTICLES), router_of(CONTACT_MAP))
