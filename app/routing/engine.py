"""The one engine that decides who gets a request, and says why. Pure.

Rules are tried in order. The first whose conditions hold and whose target exists decides the unit; within it
the least loaded of those with the line, the region and the skill is chosen. When nobody there is free the
request waits in the unit without a person, and is never lost between units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.requests.channels import Channel
from app.routing.schemas import Conditions, CustomerType, Party, RuleForm, Target
from app.topics.schemas import Priority


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a request when it is assigned. `queue_unit` is the fallback.

    `least_line`: below which no rule takes it, as that is where it was escalated to.
    """

    topic: str
    channel: Channel
    queue_unit: str
    line: int
    priority: Priority
    skill: str | None = None
    region: str | None = None
    party: Party = Party.UNKNOWN
    customer_type: CustomerType | None = None
    planned_volume: Decimal | None = None
    vip: bool = False
    manager: str | None = None
    contract_unit: str | None = None
    least_line: int = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """One who is at work. `load`: open requests assigned now."""

    code: str
    unit: str
    skills: frozenset[str]
    lines: frozenset[int]
    regions: frozenset[str]
    capacity: int
    load: int


@dataclass(frozen=True, slots=True)
class Consideration:
    """A rule that was tried, and what came of it, in words for the administrator."""

    rule: str
    fits: bool
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`assignee` null: waits in the unit. `rule` null: no rule fitted."""

    unit: str
    assignee: str | None
    line: int
    priority: Priority
    rule: str | None
    considered: tuple[Consideration, ...]


def reach(facts: Facts, rules: Sequence[RuleForm]) -> frozenset[str]:
    """The units whose people may be needed to decide."""
    units = {_unit(rule, facts) for rule in rules if _obstacle(rule.conditions, facts) is None}
    return frozenset(unit for unit in (*units, facts.queue_unit) if unit is not None)


def decide(facts: Facts, rules: Sequence[RuleForm], people: Sequence[Candidate]) -> Decision:
    considered: list[Consideration] = []
    for rule in sorted(rules, key=lambda rule: (rule.position, rule.code)):
        obstacle = _obstacle(rule.conditions, facts) or _no_target(rule, facts, people)
        if obstacle is not None:
            considered.append(Consideration(rule.code, fits=False, why=obstacle))
            continue
        line, priority = _line(rule.line, facts), rule.priority or facts.priority
        unit, assignee, why = _choose(rule, facts, line, people)
        considered.append(Consideration(rule.code, fits=True, why=why))
        return Decision(unit, assignee, line, priority, rule.code, tuple(considered))
    line = _line(None, facts)
    assignee, why = _least_loaded(facts.queue_unit, line, facts, people)
    considered.append(Consideration("", fits=False, why=f"no rule fits; {why}"))
    return Decision(facts.queue_unit, assignee, line, facts.priority, None, tuple(considered))


def _line(named: int | None, facts: Facts) -> int:
    return max(named or facts.line, facts.least_line)


def _obstacle(conditions: Conditions, facts: Facts) -> str | None:
    """The first condition that does not hold."""
    lists: tuple[tuple[str, Sequence[object], object], ...] = (
        ("topic", conditions.topics, facts.topic),
        ("region", conditions.regions, facts.region),
        ("channel", conditions.channels, facts.channel),
        ("customer type", conditions.customer_types, facts.customer_type),
        ("party", conditions.parties, facts.party),
        ("priority", conditions.priorities, facts.priority),
    )
    for name, wanted, given in lists:
        if wanted and given not in wanted:
            return f"{name} is {given or 'not known'}"
    if conditions.vip is not None and conditions.vip is not facts.vip:
        return "the customer is VIP" if facts.vip else "the customer is not VIP"
    return _volume_obstacle(conditions, facts.planned_volume)


def _volume_obstacle(conditions: Conditions, volume: Decimal | None) -> str | None:
    if conditions.volume_from is None and conditions.volume_below is None:
        return None
    if volume is None:
        return "the planned volume is not known"
    low = conditions.volume_from is not None and volume < conditions.volume_from
    high = conditions.volume_below is not None and volume >= conditions.volume_below
    return f"the planned volume is {volume}" if low or high else None


def _no_target(rule: RuleForm, facts: Facts, people: Sequence[Candidate]) -> str | None:
    if rule.target is Target.MANAGER:
        if facts.manager is None:
            return "the customer has no personal manager"
        if all(person.code != facts.manager for person in people):
            return f"the personal manager {facts.manager} is not at work"
    if rule.target is Target.CONTRACT_UNIT and facts.contract_unit is None:
        return "no office keeps a contract of the customer"
    return None


def _unit(rule: RuleForm, facts: Facts) -> str | None:
    """None for a personal manager, whose unit is his own."""
    units = {
        Target.UNIT: rule.unit,
        Target.CONTRACT_UNIT: facts.contract_unit,
        Target.QUEUE: facts.queue_unit,
    }
    return units.get(rule.target)


def _choose(
    rule: RuleForm, facts: Facts, line: int, people: Sequence[Candidate]
) -> tuple[str, str | None, str]:
    """Unit, person, reason."""
    unit = _unit(rule, facts)
    if unit is not None:
        return (unit, *_least_loaded(unit, line, facts, people))
    manager = next(person for person in people if person.code == facts.manager)
    return manager.unit, manager.code, f"personal manager {manager.code}"


def _least_loaded(unit: str, line: int, facts: Facts, people: Sequence[Candidate]) -> tuple[str | None, str]:
    in_unit = [person for person in people if person.unit == unit]
    on_line = [person for person in in_unit if line in person.lines]
    in_region = [p for p in on_line if not p.regions or facts.region is None or facts.region in p.regions]
    skilled = [p for p in in_region if facts.skill is None or facts.skill in p.skills]
    free = [person for person in skilled if person.load < person.capacity]
    counts = (
        f"unit {unit}: {len(in_unit)} at work, {len(on_line)} on line {line},"
        f" {len(in_region)} for the region, {len(skilled)} with the skill, {len(free)} free"
    )
    if not free:
        return None, f"{counts}; waits in the unit"
    best = min(free, key=lambda person: (person.load / person.capacity, person.code))
    return best.code, f"{counts}; {best.code} has the least load, {best.load} of {best.capacity}"
