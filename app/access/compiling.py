"""What a principal's rules say to a transaction: the table, compiled for one zone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.access.policy import PERSONAL, STEPS, TABLE, Action, Hidden, Reach, Resource, Role, Rule


@dataclass(frozen=True, slots=True)
class Zone:
    """The attributes of a principal that reaches compare with."""

    principal: str
    units: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    partner: str | None = None
    customer: str | None = None

    def values(self, reach: Reach) -> tuple[str, ...]:
        """What a row's attribute must be one of. Without a value nothing is reached."""
        one = {
            Reach.OWN: self.principal,
            Reach.PARTNER: self.partner,
            Reach.CARRIER: self.partner,
            Reach.SELF: self.customer,
        }
        many = {Reach.UNIT: self.units, Reach.REGION: self.regions}
        if reach in many:
            return many[reach]
        value = one[reach]
        return () if value is None else (value,)


def rules_of(roles: Iterable[Role]) -> tuple[Rule, ...]:
    held = frozenset(roles)
    return tuple(rule for rule in TABLE if rule.role in held)


def while_taken(rules: Iterable[Rule], step: Resource, taken_on: Resource) -> tuple[Rule, ...]:
    """The rules by which rows are changed while a step is taken: its own instead of the record's.

    A row knows nothing of steps: it is an order of its customer and carrier, whatever is done with it. If the
    labels of all rules counted at once, whoever buys for one customer and carries for another would mix both.
    """
    return tuple(
        replace(rule, resource=taken_on) if rule.resource is step else rule
        for rule in rules
        if rule.resource is not taken_on
    )


def labels(rules: Iterable[Rule], action: Action, zone: Zone) -> tuple[str, ...]:
    """What a row may be labelled to be reached: `request:*`, `customer:unit=north`. Sorted, no doubles."""
    found = set()
    for rule in rules:
        if action not in rule.actions or rule.resource in STEPS:
            continue
        if rule.reach is Reach.ALL:
            found.add(f"{rule.resource}:*")
        else:
            found |= {f"{rule.resource}:{rule.reach}={value}" for value in zone.values(rule.reach)}
    return tuple(sorted(found))


def hidden(rules: Iterable[Rule]) -> frozenset[Hidden]:
    """What is masked of cards: only what every rule that lets them be read hides."""
    reading = [
        rule.hidden for rule in rules if rule.resource is Resource.CUSTOMER and Action.READ in rule.actions
    ]
    return frozenset.intersection(*reading) if reading else PERSONAL


def hidden_of_record(
    rules: Iterable[Rule], resource: Resource, *, within: bool, carried: bool
) -> frozenset[Hidden]:
    """What is masked of one record: only what every rule that reaches it hides.

    `within`: it is reached by its customer; `carried`: as what the principal's partner carries.
    """
    by_reach = {Reach.ALL: True, Reach.CARRIER: carried}
    reading = [
        rule.hidden
        for rule in rules
        if rule.resource is resource and Action.READ in rule.actions and by_reach.get(rule.reach, within)
    ]
    return frozenset.intersection(*reading) if reading else frozenset(Hidden)
