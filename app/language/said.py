"""A text that knows how to be said in other languages. Pure; wherever a plain str goes, it goes too."""

from __future__ import annotations

from collections.abc import Mapping


class Said(str):
    """English, with what it was made of: a template of the catalogues and its values, or translations."""

    __slots__ = ("ready", "template", "values")

    template: str
    values: Mapping[str, object]
    ready: Mapping[str, str]


def said(template: str, **values: object) -> Said:
    """`said("more than {limit} bytes", limit=5)`; the template is what catalogues translate."""
    text = Said(template.format(**values))
    text.template, text.values, text.ready = template, values, {}
    return text


def ready(texts: Mapping[str, str]) -> Said:
    """A text from our own data, which an administrator wrote in every language."""
    text = Said(texts["en"])
    text.template, text.values, text.ready = text, {}, texts
    return text
