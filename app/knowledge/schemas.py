"""What operators and users look up: articles for topics, and the contact map (R9)."""

from __future__ import annotations

from app.directory.model import Code, Directory, Entry, Localized, LocalizedText
from app.staff.schemas import Codes


class ArticleForm(Entry):
    """A hint or instruction; `topics` are those at whose requests it is shown."""

    title: Localized
    body: LocalizedText
    topics: Codes = ()


class ContactForm(Entry):
    """One row of the contact map: an example of a question, where it goes, what to give with it."""

    example: LocalizedText
    topic: Code
    unit: Code
    needed: LocalizedText


ARTICLES = Directory("articles", "crm.article", ArticleForm)
CONTACT_MAP = Directory("contact-map", "crm.contact_map", ContactForm)
