"""What users do, step by step. No network library here: a journey only knows its client and its pauses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtests import api, data
from loadtests.client import Client
from loadtests.ledger import Ledger
from loadtests.policy import Answer

# Sleeps, or raises when the load is ending: a user who would only think may leave at once.
Think = Callable[[float], None]


@dataclass(slots=True)
class Person:
    """One user: a name in the history, a hand on the API, and draws of its own.

    `facts` draws what is sent (it differs from run to run, or a second run would only meet duplicates);
    `habits` draws pauses and choices (the same for the same seed).
    """

    name: str
    client: Client
    ledger: Ledger
    think: Think
    facts: random.Random
    habits: random.Random
    customers: list[str] = field(default_factory=list)
    companies: list[data.Company] = field(default_factory=list)

    def write(
        self, function: str, make: Callable[[str], api.Call], entity: str | None = None, size: int = 1
    ) -> Answer | None:
        """Do one write; `make` gets the marker that the API is to store. `size`: of a batch."""
        operation = self.ledger.begin(self.name, function, entity=entity, write=True, size=size)
        return self.client.perform(operation, make(operation.key))

    def read(self, function: str, call: api.Call, entity: str | None = None) -> Answer | None:
        operation = self.ledger.begin(self.name, function, entity=entity, write=False, stale=call.stale)
        return self.client.perform(operation, call)


Step = Callable[[Person, str], None]
"""Something done with a customer or a request, by its id."""


def send_transaction(person: Person) -> None:
    """The processing system sends one card transaction."""
    purchase = data.purchase(person.facts)
    person.write("card_transaction", lambda marker: api.send_transaction(marker, purchase))


def open_card(person: Person, customer_id: str) -> None:
    person.read("get_customer", api.get_customer(customer_id), entity=customer_id)


def ask_nobody(person: Person, request_id: str) -> None:
    """Solve it out of one's own head."""


def take_a_call(
    person: Person, handle_s: float, *, look: Step = open_card, consult: Step = ask_nobody
) -> None:
    """A hot-line operator: find the caller, `look` at the customer, register, `consult`, take, solve, close.

    The whole takes about `handle_s` seconds. Every third caller is new and gets a card first.
    """
    pause_s = handle_s / 6
    customer_id = find_caller(person, pause_s)
    if customer_id is None:
        return
    look(person, customer_id)
    person.think(person.habits.uniform(0.5, 1.5) * pause_s)
    request_id = register(person, customer_id, channel="call")
    if request_id is None:
        return
    consult(person, request_id)
    work_on(person, request_id, pause_s)


def look_after_own(person: Person, register_share: float) -> None:
    """A portal client: read the own card, list the own requests, sometimes register one."""
    customer_id = own_card(person)
    if customer_id is None:
        return
    if person.habits.random() < register_share:
        register(person, customer_id, channel="portal")
    person.read("list_requests", api.list_requests(customer_id, stale=True), entity=customer_id)


def own_card(person: Person) -> str | None:
    """The card of somebody who has one; it is made at the first look."""
    return person.customers[0] if person.customers else register_customer(person)


NEW_CALLERS_SHARE = 1 / 3


def find_caller(person: Person, pause_s: float) -> str | None:
    """A card of a caller known or new, None where none could be made."""
    if person.customers and person.habits.random() >= NEW_CALLERS_SHARE:
        return person.habits.choice(person.customers)
    company = data.company(person.facts)
    person.read("search", api.search(company.inn))
    person.think(person.habits.uniform(0.5, 1.5) * pause_s)
    return register_customer(person, company)


def register_customer(person: Person, company: data.Company | None = None) -> str | None:
    """A new card's id, None where it was refused or given up."""
    made = company or data.company(person.facts)
    answer = person.write("customer", lambda marker: api.create_customer(marker, made))
    customer_id = api.created_id(answer) if answer else None
    if customer_id is not None:
        person.customers.append(customer_id)
        person.companies.append(made)
    return customer_id


def register(person: Person, customer_id: str | None, channel: str, sender: str | None = None) -> str | None:
    """A request's id, None where it was refused or given up."""
    subject = person.facts.choice(data.SUBJECTS)
    answer = person.write(
        "request",
        lambda marker: api.register_request(
            marker, customer_id, channel=channel, subject=subject, sender=sender
        ),
    )
    return api.created_id(answer) if answer else None


def work_on(person: Person, request_id: str, pause_s: float) -> None:
    """Take, think, close; read in between and after, from the primary, so that the checker sees states."""
    if not take(person, request_id):
        return
    person.think(person.habits.uniform(0.5, 1.5) * pause_s)
    person.read("get_request", api.get_request(request_id), entity=request_id)
    person.think(person.habits.uniform(0.5, 1.5) * pause_s)
    close(person, request_id)
    person.read("get_request", api.get_request(request_id), entity=request_id)


def take(person: Person, request_id: str) -> bool:
    """Return whether it is this operator's now."""
    taken = person.write("take", lambda marker: api.take_request(marker, request_id, person.name), request_id)
    return taken is not None


def close(person: Person, request_id: str) -> None:
    person.write("close", lambda marker: api.close_request(marker, request_id, person.name), request_id)
