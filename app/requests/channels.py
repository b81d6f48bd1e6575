"""Where a request comes from (R1)."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    CALL = "call"
    EMAIL = "email"
    SITE = "site"
    PORTAL = "portal"
    MESSENGER = "messenger"
    CHAT = "chat"
    COMPLAINTS_BOOK = "complaints_book"
    MAP_REVIEW = "map_review"
    API = "api"
