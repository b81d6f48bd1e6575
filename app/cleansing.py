"""The one pipeline through which every text enters, from a form or from a bulk load.

Pure. Each step is a function of text to text; running the pipeline on its own result changes nothing (a
property test holds that). Callers keep what was given beside what was made of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

Step = Callable[[str], str]

OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSING = {closing: opening for opening, closing in OPENING.items()}

# Typographic quotes, primes and the look-alikes of many keyboards: one sign for all. Apostrophes stay.
_ALL_QUOTES = '"«»„“”‟‹›〝〞＂″'
_QUOTES = str.maketrans(dict.fromkeys(_ALL_QUOTES, '"'))
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))
_SPACES = re.compile(r"\s+")
_REPEATED_QUOTES = re.compile(r'"(?:\s*")+')
# What no name of a company or person contains; letters, digits, № and ordinary punctuation stay.
_SPECIAL = re.compile(r"[*_=|~^<>\\$#@`¦§¶•·…]")
_SPACE_INSIDE_OPENING = re.compile(r"([(\[{])\s+")
_SPACE_INSIDE_CLOSING = re.compile(r"\s+([)\]},.;:])")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]|\{\s*\}")
_EDGES = " ,;:-/"
_LEGAL_FORMS = frozenset(
    {"ооо", "оао", "зао", "пао", "ао", "нао", "ип", "тоо", "гуп", "муп", "фгуп", "llc", "ltd"}
)
_WORD = re.compile(r"[^\W_]+")
# Ministry of Finance, order 171n of 2015: kinds of places and their short forms.
KINDS = {
    written: short
    for short, forms in {
        "обл": "область обл", "р-н": "район р-н", "г": "город гор г", "пос": "посёлок поселок пос",
        "с": "село с", "дер": "деревня дер", "мкр": "микрорайон мкр", "ул": "улица ул",
        "пр-кт": "проспект просп пр-кт пр-т", "пер": "переулок пер", "пр-д": "проезд пр-д",
        "ш": "шоссе ш", "наб": "набережная наб", "пл": "площадь пл", "б-р": "бульвар бул б-р",
        "д": "дом д", "к": "корпус корп к", "стр": "строение стр", "кв": "квартира кв",
        "оф": "офис оф", "пом": "помещение пом",
    }.items()
    for written in forms.split()
}  # fmt: skip
_SHORT_KINDS = frozenset(part for short in KINDS.values() for part in _WORD.findall(short))
_KIND_STUCK = re.compile(
    rf"(?<![\w-])({'|'.join(sorted(KINDS, key=len, reverse=True))})\.(?=\w)", re.IGNORECASE
)
_ADDRESS_WORD = re.compile(r"(?<![\w-])([^\W\d_]+(?:-[^\W\d_]+)?)(?![\w-])\.?")
_COMMAS = re.compile(r"\s*,[\s,]*")
_POST_CODE = re.compile(r"[0-9]{6}")
MAX_ADDRESS_KEY = 200  # characters
MAX_WORDS, MAX_WORD = 20, 64
# Words and at most one pair of quotes: what no step would touch, recognised at once (a bulk load's speed).
_PLAIN_WORDS = r"[A-Za-zА-Яа-яЁё0-9]+(?:[ -][A-Za-zА-Яа-яЁё0-9]+)*"
_PLAIN = re.compile(rf'{_PLAIN_WORDS}(?: "{_PLAIN_WORDS}")?')
_IN_QUOTES = re.compile(rf"({_PLAIN_WORDS} )[{_ALL_QUOTES}]({_PLAIN_WORDS})[{_ALL_QUOTES}]")
_BRACKETS = re.compile(r"[()\[\]{}]")


def unicode_form(text: str) -> str:
    """One form for each character. Control and invisible ones go, other white space becomes a space."""
    if text.isprintable() and unicodedata.is_normalized("NFC", text):
        return text  # nothing of that in it; a bulk load meets little else
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        " " if character.isspace() else character
        for character in composed
        if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )


def special_characters(text: str) -> str:
    return _SPECIAL.sub(" ", text.translate(_DASHES))


def quotes(text: str) -> str:
    """One kind of quotes, none doubled, none left alone."""
    single = _REPEATED_QUOTES.sub(_one_quote, text.translate(_QUOTES))
    count = single.count('"')
    if count % 2:
        # Of three, as in "Торговый дом "Ромашка", the middle one is the surplus.
        parts = single.split('"')
        middle = count // 2
        single = '"'.join([*parts[:middle], parts[middle] + parts[middle + 1], *parts[middle + 2 :]])
    return single


def _one_quote(match: re.Match[str]) -> str:
    """Doubled quotes are one; keep the space that stood between them, so that words do not join."""
    return '" ' if " " in match.group() else '"'


def brackets(text: str) -> str:
    """Remove brackets that have no partner, and empty pairs."""
    if not _BRACKETS.search(text):
        return text
    stack: list[int] = []
    lonely: set[int] = set()
    for index, character in enumerate(text):
        if character in OPENING:
            stack.append(index)
        elif character in CLOSING:
            if stack and text[stack[-1]] == CLOSING[character]:
                stack.pop()
            else:
                lonely.add(index)
    lonely.update(stack)
    text = "".join(character for index, character in enumerate(text) if index not in lonely)
    removed = 1
    while removed:
        text, removed = _EMPTY_BRACKETS.subn(" ", text)
    return text


def spaces(text: str) -> str:
    """Single spaces, none at the edges or inside brackets, no punctuation hanging at the ends."""
    text = _SPACES.sub(" ", text)
    text = _SPACE_INSIDE_OPENING.sub(r"\1", text)
    text = _SPACE_INSIDE_CLOSING.sub(r"\1", text)
    return text.strip(_EDGES)


NAME_STEPS: tuple[Step, ...] = (unicode_form, special_characters, quotes, brackets, spaces)
TEXT_STEPS: tuple[Step, ...] = (unicode_form, spaces)
_ROUNDS = 8  # one step can give another something to do; texts settle after two or three


def run(steps: tuple[Step, ...], text: str) -> str:
    """Apply the steps until nothing changes any more."""
    for _ in range(_ROUNDS):
        before = text
        text = _once(steps, text)
        if text == before:
            break
    return text


def _once(steps: tuple[Step, ...], text: str) -> str:
    for step in steps:
        text = step(text)
    return text


def name(text: str) -> str:
    """The name of a company, person or contact; empty when nothing of it remains."""
    if _PLAIN.fullmatch(text):
        return text
    if quoted := _IN_QUOTES.fullmatch(text):
        return f'{quoted[1]}"{quoted[2]}"'
    once = _once(NAME_STEPS, text)
    return once if _PLAIN.fullmatch(once) else run(NAME_STEPS, once)


def line(text: str) -> str:
    """A free text of one line: only what cannot be seen is removed."""
    return run(TEXT_STEPS, text)


def address(text: str) -> str:
    """A postal address: kinds of places in their official short forms, in the order written."""
    return run(ADDRESS_STEPS, text)


def _short_kinds(text: str) -> str:
    """`ул.Ленина, дом 5` as `ул Ленина, д 5`."""
    spaced = _KIND_STUCK.sub(r"\1 ", text)
    return _ADDRESS_WORD.sub(lambda match: KINDS.get(match[1].lower(), match[0]), spaced)


def _commas(text: str) -> str:
    return _COMMAS.sub(", ", text)


ADDRESS_STEPS: tuple[Step, ...] = (*NAME_STEPS, _short_kinds, _commas)


def address_key(text: str) -> str:
    """By what two addresses are compared: their names and numbers, without post code and kinds of places."""
    found = _WORD.findall(text.lower().replace("ё", "е"))
    telling = {word for word in found if word not in _SHORT_KINDS and not _POST_CODE.fullmatch(word)}
    return " ".join(sorted(telling))[:MAX_ADDRESS_KEY]


def words(text: str) -> tuple[str, ...]:
    """What a name is found by: distinct lower-case words in order of appearance, ё as е, no legal form.

    A name that consists of legal forms only keeps them.
    """
    found = dict.fromkeys(_WORD.findall(text.lower().replace("ё", "е")))
    telling = tuple(word for word in found if word not in _LEGAL_FORMS)
    return tuple(dict.fromkeys(word[:MAX_WORD] for word in (telling or tuple(found))[:MAX_WORDS]))
