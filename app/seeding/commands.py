"""`python -m app seed`: a base to work on, of any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from app.seeding.estate import companies_among
from app.seeding.points import seed_points
from app.seeding.sales_store import UnfitBaseError, seed_sales
from app.seeding.seed import seed_customers
from app.seeding.store import seed_cards, seed_profiles, seed_promotions, seed_stations, seed_transactions
from app.settings import Settings


def seed(
    customers: Annotated[int, typer.Option(min=1, help="How many rows of customers")] = 10_000,
    number: Annotated[int, typer.Option(help="The same number gives the same base")] = 1,
    stations: Annotated[int, typer.Option(min=0, max=9999, help="Over 65 regions")] = 0,
    cards: Annotated[int, typer.Option(min=0, help="Of the companies among the customers")] = 0,
    transactions: Annotated[int, typer.Option(min=0, help="Of those cards, over a quarter")] = 0,
    *,
    promotions: Annotated[int, typer.Option(min=0, max=120, help="One begins each month")] = 0,
    contracts: Annotated[int, typer.Option(min=0, help="With deals, orders, claims, catalogue, staff")] = 0,
) -> None:
    """Fill the base at CRM_DATABASE_URL with what is invented. Seeding again changes nothing."""
    settings = Settings.from_environment()
    dsn = settings.database_url.get_secret_value()
    if transactions and not (cards and stations):
        raise typer.BadParameter("transactions need cards and stations")
    if cards and settings.cards is None:
        raise typer.BadParameter("cards need CRM_CARD_KEYS (python -m app cards new-key 1)")
    _tell(seed_customers(dsn, customers, number), customers, "customers")
    _tell(seed_profiles(dsn, customers, number), companies_among(customers), "companies with profiles")
    _tell(seed_stations(dsn, stations), stations, "stations")
    _tell(seed_promotions(dsn, promotions), promotions, "promotions")
    if settings.cards is not None and cards:
        _tell(seed_cards(dsn, settings.cards, cards, customers, number), cards, "cards")
        _tell(seed_points(dsn, cards, customers, number), cards, "cards with points")
    if transactions:
        _tell(seed_transactions(dsn, transactions, cards, stations, number), transactions, "transactions")
    if contracts:
        _tell(_sales(dsn, contracts, customers, number), contracts, "contracts")


def _sales(dsn: str, contracts: int, customers: int, number: int) -> Iterator[int]:
    try:
        yield from seed_sales(dsn, contracts, customers, number)
    except UnfitBaseError as error:
        typer.echo(f"seed: {error}", err=True)
        raise typer.Exit(1) from None


def _tell(progress: Iterator[int], of: int, what: str) -> None:
    for done in progress:
        typer.echo(f"{done} of {of} {what}")
