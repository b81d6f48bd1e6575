"""What leaves of the feed. Letters are between two people: nothing of them leaves."""

from __future__ import annotations

from app.community.schemas import PostTold
from app.events.types import EventType

PUBLISHED = EventType("post.published", "post", PostTold, "a client told all others something")
HIDDEN = EventType("post.hidden", "post", PostTold, "a post was taken out of the feed")
TYPES = (PUBLISHED, HIDDEN)
