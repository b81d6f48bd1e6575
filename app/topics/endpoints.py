"""/api/v1/topics and /api/v1/queues."""

from __future__ import annotations

from app.directory.endpoints import router_of
from app.topics.schemas import QUEUES, TOPICS

routers = (router_of(QUEUES), router_of(TOPICS))
