"""From a form to clean details, naming every wrong field. Pure: forms and bulk loads share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import overload

from app import cleansing, identifiers
from app.customers.schemas import Contact, ContactForm, ContactKind, CustomerForm, CustomerKind, Details
from app.errors import FieldError, invalid
from app.identifiers import COMPANY_INN_LENGTH, IdentifierError


@dataclass(slots=True)
class _Form:
    """Collects what was changed and what is wrong while the fields are gone through."""

    given: dict[str, str] = field(default_factory=dict)
    errors: list[FieldError] = field(default_factory=list)

    @overload
    def clean(self, pointer: str, text: str, make: Callable[[str], str]) -> str: ...
    @overload
    def clean(self, pointer: str, text: str | None, make: Callable[[str], str]) -> str | None: ...
    def clean(self, pointer: str, text: str | None, make: Callable[[str], str]) -> str | None:
        if text is None:
            return None
        try:
            value = make(text)
        except IdentifierError as error:
            self.wrong(pointer, error.code, error.detail)
            return text
        if value != text:
            self.given[pointer] = text
        return value

    def wrong(self, pointer: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(f"/{pointer}", code, detail))


def cleanse(entered: CustomerForm) -> Details:
    """Raises ProblemError (422) with all wrong fields."""
    form = _Form()
    name = form.clean("name", entered.name, cleansing.name)
    if not name:
        form.wrong("name", "empty", "nothing remains of it after cleansing")
    details = Details(
        kind=entered.kind,
        stage=entered.stage,
        name=name,
        inn=form.clean("inn", entered.inn, identifiers.inn),
        kpp=form.clean("kpp", entered.kpp, identifiers.kpp),
        ogrn=form.clean("ogrn", entered.ogrn, identifiers.ogrn),
        snils=form.clean("snils", entered.snils, identifiers.snils),
        address=form.clean("address", entered.address, cleansing.address) or None,
        external_id=entered.external_id,
        contacts=_contacts(form, entered.contacts),
        given=form.given,
    )
    _check_together(form, details)
    if form.errors:
        raise invalid(form.errors)
    return details


def _contacts(form: _Form, entered: tuple[ContactForm, ...]) -> tuple[Contact, ...]:
    """The same contact given twice is one; the first naming of its person is kept."""
    contacts: dict[tuple[str, str], Contact] = {}
    for index, contact in enumerate(entered):
        make = identifiers.phone if contact.kind is ContactKind.PHONE else identifiers.email
        value = form.clean(f"contacts/{index}/value", contact.value, make)
        person = form.clean(f"contacts/{index}/person", contact.person, cleansing.name)
        # By its text: the hash of an enum's member is computed in Python.
        contacts.setdefault((contact.kind.value, value), Contact(contact.kind, value, person or None))
    return tuple(contacts.values())


def _check_together(form: _Form, details: Details) -> None:
    """What one field demands of another."""
    is_company = details.kind is CustomerKind.COMPANY
    inn_length = len(details.inn or "")
    if not is_company and inn_length == COMPANY_INN_LENGTH:
        form.wrong("inn", "inn-kind", "a person's INN has 12 digits")
    if details.kpp is not None and (not is_company or inn_length != COMPANY_INN_LENGTH):
        form.wrong("kpp", "kpp-without-company", "only a company with an INN of 10 digits has a KPP")
    if details.ogrn is not None and details.inn is None:
        form.wrong("ogrn", "ogrn-without-inn", "give the INN together with the OGRN")
    if details.snils is not None and is_company:
        form.wrong("snils", "snils-of-company", "only a person has a SNILS")
