"""What leaves when somebody writes in a chat."""

from __future__ import annotations

from app.chats.schemas import ChatTold
from app.events.types import EventType

WRITTEN = EventType("chat.written", "chat", ChatTold, "a client or one of its managers wrote in their chat")
TYPES = (WRITTEN,)
