"""Invented stations, cards and transactions."""

from __future__ import annotations

from datetime import UTC
from itertools import islice

import orjson

from app.cards.numbers import CardNumber
from app.seeding import customers, estate


def test_stations_lie_in_all_65_regions():
    made = list(estate.stations(2000))
    assert len({station.code for station in made}) == 2000
    assert len({station.region for station in made}) == 65


def test_cards_have_valid_numbers_of_their_own_and_belong_to_companies():
    made = list(estate.cards(7, 1000, owners=500))
    assert len({CardNumber.parse(card.number.digits) for card in made}) == 1000
    assert len({card.token for card in made}) == 1000
    companies = {
        row["external_id"] for row in map(orjson.loads, customers.rows(7, 500)) if row["kind"] == "company"
    }
    owners = {card.owner for card in made}
    assert len(owners & companies) > len(owners) * 0.9, "but for rows that speak again of another customer"
    assert made[100:200] == list(estate.cards(7, 100, owners=500, first=100))


def test_transactions_are_reproducible_and_a_larger_feed_contains_the_smaller():
    made = list(estate.transactions(7, 5000, cards_there=100, stations_there=20))
    assert made == list(islice(estate.transactions(7, 9000, 100, 20), 5000))
    assert len({item.processing_id for item in made}) == 5000
    tokens = {estate.token(7, number) for number in range(100)}
    assert {item.card_token for item in made} == tokens
    assert all(item.amount > 0 and item.quantity > 0 for item in made)
    assert len({(item.occurred_at.astimezone(UTC).month) for item in made}) == 3
    assert next(islice(made, 1)).station.startswith("АЗС-")
