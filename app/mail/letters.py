"""What stands in a letter: sender, text, files, and whether a machine wrote it. Pure."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser

from app.requests import attachments
from app.requests.reference import tail_in

MARKER = "X-Twinsite-Request"  # on everything we send: such a letter must not come back as a request
MAX_TEXT = 20_000
MAX_SUBJECT = 300
MAX_FILES = 20
MAX_HOPS = 30
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_NOBODY = (None, "", "<>")  # the envelope of a bounce
_IDS = re.compile(r"<[^<>\s]{1,190}>")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f]")
_NO_TEXT = "(без текста)"


class UnreadableError(Exception):
    """It is no letter that anybody could read."""


@dataclass(frozen=True, slots=True)
class File:
    """`refusal`: why it is not kept; None when it is."""

    name: str
    media_type: str
    content: bytes
    refusal: str | None

    @property
    def digest(self) -> str:
        return attachments.digest(self.content)


@dataclass(frozen=True, slots=True)
class Letter:
    """`automatic`: why a machine is taken for its author, if one is. `answers`: ids of letters before."""

    sender: str
    subject: str
    text: str
    message_id: str
    answers: tuple[str, ...]
    reference: str | None
    files: tuple[File, ...]
    automatic: str | None


def read(raw: bytes, envelope_sender: str | None, ours: Iterable[str] = ()) -> Letter:
    """Raises UnreadableError. `ours`: addresses we write from."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    try:
        sender = _sender(message)
        subject = _line(str(message.get("subject", "")))[:MAX_SUBJECT]
        text = _text(message)
        return Letter(
            sender=sender,
            subject=subject,
            text=text,
            message_id=_message_id(message, raw),
            answers=tuple(_IDS.findall(f"{message.get('references', '')} {message.get('in-reply-to', '')}")),
            reference=tail_in(subject) or tail_in(text),
            files=tuple(_file(part) for part in list(message.iter_attachments())[:MAX_FILES]),
            automatic=_automatic(message, sender, envelope_sender, frozenset(ours)),
        )
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        # What the standard library's parser raises on headers that break its grammar.
        raise UnreadableError(f"the letter cannot be read: {type(error).__name__}") from error


def _sender(message: EmailMessage) -> str:
    addresses = [address for _, address in getaddresses([str(message.get("from", ""))]) if "@" in address]
    if len(addresses) != 1:
        raise UnreadableError("it must have one sender")
    return _line(addresses[0]).lower()[:200]


def _message_id(message: EmailMessage, raw: bytes) -> str:
    """As it came, if it can be kept; else what is the same for the same letter."""
    given = str(message.get("message-id", "")).strip()
    return given if _IDS.fullmatch(given) else f"sha256:{hashlib.sha256(given.encode() or raw).hexdigest()}"


def _automatic(
    message: EmailMessage, sender: str, envelope_sender: str | None, ours: frozenset[str]
) -> str | None:
    """RFC 3834 and what programs do instead; the first sign that is found."""
    signs = {
        "bounce": envelope_sender in _NOBODY or message.get_content_type() == "multipart/report",
        "auto-submitted": str(message.get("auto-submitted", "no")).partition(";")[0].strip().lower() != "no",
        "bulk": str(message.get("precedence", "")).strip().lower() in _BULK or "list-id" in message,
        "own letter": MARKER in message or sender in ours,
        "loop": len(message.get_all("received", [])) > MAX_HOPS,
    }
    return next((name for name, found in signs.items() if found), None)


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    text = _decoded(body) if isinstance(body, EmailMessage) else ""
    if isinstance(body, EmailMessage) and body.get_content_type() == "text/html":
        text = _without_tags(text)
    text = _CONTROL.sub("", text.replace("\r\n", "\n")).strip()
    return text[:MAX_TEXT] or _NO_TEXT


def _decoded(part: EmailMessage) -> str:
    """In its own character set, or the nearest to it: an unknown one must not lose the letter."""
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    try:
        text = raw.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, UnicodeError):  # unknown; or one that knows no replacement, as IDNA
        text = raw.decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode()  # halves of pairs, as UTF-7 may hold, can be kept nowhere


class _Tags(HTMLParser):
    """Keeps what is to be read."""

    BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3"})
    HIDDEN = frozenset({"script", "style", "head"})

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden += tag in self.HIDDEN
        if tag in self.BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in self.HIDDEN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)


def _without_tags(html: str) -> str:
    parser = _Tags()
    parser.feed(html)
    parser.close()
    return re.sub(r"\n\s*\n+", "\n\n", "".join(parser.pieces))


def _file(part: EmailMessage) -> File:
    given = part.get_filename() or "attachment"
    name = _NOT_IN_NAMES.sub("_", given).lstrip(". ")[:150] or "attachment"
    media_type = part.get_content_type()
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    return File(name, media_type, content, attachments.refusal(media_type, content))


def _line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())
