"""What the people and systems of the whole CRM do, step by step."""

from __future__ import annotations

from loadtests import api, data
from loadtests.journeys import Person, close, open_card, own_card, register, take, take_a_call
from loadtests.volumes import TRANSACTIONS_A_BATCH


def work_at_the_window(person: Person, handle_s: float) -> None:
    """An operator who sees all of the caller in one window, and reads hints before taking the request."""
    take_a_call(person, handle_s, look=_open_window, consult=_read_articles)


def _open_window(person: Person, customer_id: str) -> None:
    person.read("get_window", api.get_window(customer_id), entity=customer_id)


def _read_articles(person: Person, request_id: str) -> None:
    person.read("get_articles", api.get_articles(request_id), entity=request_id)


def look_somebody_up(person: Person) -> None:
    """Somebody of the office: type a phone, an INN or a name with a mistake, and open the best match."""
    if own_card(person) is None:
        return
    found = _search(person)
    if found is not None:
        _open_window(person, found)


def _search(person: Person) -> str | None:
    """Type something of a customer known to this user; return the best match."""
    sought = person.habits.choice(person.companies)
    typed = (sought.phone_as_spoken, sought.inn, data.misspelt(person.facts, sought.name))
    answer = person.read("search", api.search(person.habits.choice(typed)))
    return api.first_found(answer) if answer else None


def serve_a_caller(person: Person) -> None:
    """An operator without a pause: search, open the card, register, take, close (`profiles.DESK_STEPS`).

    Where the search finds nothing, which a replica that is behind may do, it is the caller's own card.
    """
    known = own_card(person)
    if known is None:
        return
    customer_id = _search(person) or known
    open_card(person, customer_id)
    request_id = register(person, customer_id, channel="call")
    if request_id is not None and take(person, request_id):
        close(person, request_id)


def write_in(person: Person) -> None:
    """Somebody whom nobody knows writes by one of the channels, and looks what became of it."""
    sender, channel = data.company(person.facts).phone, person.habits.choice(data.WRITTEN)
    request_id = register(person, None, channel=channel, sender=sender)
    if request_id is not None:
        person.read("get_request", api.get_request(request_id), entity=request_id)


def visit_the_portal(person: Person, register_share: float) -> None:
    """A portal client: own points, cards and requests, sometimes a new request and its state."""
    customer_id = own_card(person)
    if customer_id is None:
        return
    person.read("get_points", api.get_points(customer_id), entity=customer_id)
    person.read("list_cards", api.list_cards(customer_id), entity=customer_id)
    if person.habits.random() < register_share:
        request_id = register(person, customer_id, channel="portal")
        if request_id is not None:
            person.read("get_request", api.get_request(request_id), entity=request_id)
    person.read("list_requests", api.list_requests(customer_id, stale=True), entity=customer_id)


def send_a_batch(person: Person) -> None:
    """The processing system sends what has gathered."""
    purchases = [data.purchase(person.facts) for _ in range(TRANSACTIONS_A_BATCH)]
    person.write("card_batch", lambda marker: api.send_batch(marker, purchases), size=len(purchases))
