"""Which evidence the card confirms, which level it reaches, and what follows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from rapidfuzz import fuzz

from app import cleansing, identifiers
from app.customers.schemas import ContactKind, Customer, CustomerKind
from app.identification.schemas import GENERAL, CallerForm, Evidence, Level, Outcome
from app.identifiers import IdentifierError

SAME_NAME = 85  # of 100: typing errors and inflected endings of names heard on the telephone


# Said and not so, it speaks against the caller. A telephone or a name that is not known only proves nothing.
CONTRADICTING = frozenset({Evidence.COMPANY, Evidence.INN, Evidence.SNILS, Evidence.CARD_LAST_FOUR})


@dataclass(frozen=True, slots=True)
class Known:
    """What the base has of a customer. `representatives`: of those with authority now, name and phone."""

    card: Customer
    last_fours: AbstractSet[str] = frozenset()
    representatives: Sequence[tuple[str, str | None]] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What is confirmed and what contradicts, of all that was given."""

    confirmed: frozenset[Evidence] = frozenset()
    wrong: frozenset[Evidence] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Outcome
    level: int = 0
    needed: tuple[Evidence, ...] = ()
    may_tell: tuple[str, ...] = field(default=(GENERAL,))


def clean(caller: CallerForm) -> Mapping[Evidence, str]:
    """What was given, each in its one form; what is no such identifier stays, and will not be confirmed."""
    forms: Mapping[Evidence, Callable[[str], str]] = {
        Evidence.PHONE: identifiers.phone,
        Evidence.EMAIL: identifiers.email,
        Evidence.INN: identifiers.inn,
        Evidence.SNILS: identifiers.snils,
    }
    given = {each: getattr(caller, each.value, None) for each in Evidence}
    return {each: _form(forms.get(each, str), text) for each, text in given.items() if text is not None}


def _form(make: Callable[[str], str], text: str) -> str:
    try:
        return make(text)
    except IdentifierError:
        return text


def compare(given: Mapping[Evidence, str], known: Known) -> Finding:
    """Authority is confirmed by a name, and by the phone too where the representative's is known."""
    card = known.card
    agrees: Mapping[Evidence, Callable[[str], bool]] = {
        Evidence.PHONE: lambda text: text in _contacts(card, ContactKind.PHONE),
        Evidence.EMAIL: lambda text: text in _contacts(card, ContactKind.EMAIL),
        Evidence.COMPANY: lambda text: card.kind is CustomerKind.COMPANY and _same(text, card.name),
        Evidence.PERSON: lambda text: any(_same(text, name) for name in _people(known)),
        Evidence.INN: lambda text: text == card.inn,
        Evidence.SNILS: lambda text: text == card.snils,
        Evidence.CARD_LAST_FOUR: lambda text: text in known.last_fours,
    }
    confirmed = {each for each, text in given.items() if agrees[each](text)}
    wrong = (set(given) & CONTRADICTING) - confirmed
    if _has_authority(given, known):
        confirmed.add(Evidence.REPRESENTATIVE)
    return Finding(frozenset(confirmed), frozenset(wrong))


def _contacts(card: Customer, kind: ContactKind) -> frozenset[str]:
    return frozenset(contact.value for contact in card.contacts if contact.kind is kind)


def _people(known: Known) -> list[str]:
    named = [contact.person for contact in known.card.contacts if contact.person]
    own = [known.card.name] if known.card.kind is CustomerKind.PERSON else []
    return [*named, *own, *(name for name, _ in known.representatives)]


def _has_authority(given: Mapping[Evidence, str], known: Known) -> bool:
    name, phone = given.get(Evidence.PERSON), given.get(Evidence.PHONE)
    return name is not None and any(
        _same(name, entitled) and number in (None, phone) for entitled, number in known.representatives
    )


def _same(one: str, other: str) -> bool:
    """All words of the shorter in the longer, whatever their order: `Ромашка` is `ООО "Ромашка"`."""
    words = [" ".join(sorted(cleansing.words(text))) for text in (one, other)]
    return all(words) and fuzz.token_sort_ratio(*words) >= SAME_NAME


def decide(levels: Sequence[Level], finding: Finding) -> Decision:
    """The highest level all of whose needs are confirmed; 0 for whoever said what contradicts the card."""
    reached = 0
    if not finding.wrong:
        reached = sum(set(level.needs) <= finding.confirmed for level in levels)
    may_tell = (GENERAL, *(what for level in levels[:reached] for what in level.may_tell))
    needed: tuple[Evidence, ...] = ()
    if reached < len(levels):
        missing = set(levels[reached].needs) - finding.confirmed
        needed = tuple(each for each in Evidence if each in missing | finding.wrong)
    outcome = Outcome.MORE_NEEDED if needed else Outcome.IDENTIFIED
    return Decision(outcome, reached, needed, tuple(dict.fromkeys(may_tell)))


def undecided(levels: Sequence[Level], given: AbstractSet[Evidence], *, several: bool) -> Decision:
    """No card, or more than one: what of the first level could still be asked."""
    ask = levels[0].needs if levels else (Evidence.INN, Evidence.PHONE)
    needed = tuple(each for each in (*ask, Evidence.INN) if each not in given)
    return Decision(
        Outcome.AMBIGUOUS if several else Outcome.UNIDENTIFIED, needed=tuple(dict.fromkeys(needed))
    )
