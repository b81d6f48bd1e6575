"""Who is asking, and what follows from it for one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

from app.access.compiling import Zone, hidden, labels, rules_of, while_taken
from app.access.operations import Need
from app.access.policy import Action, Hidden, Reach, Resource, Role, Rule


class Home(NamedTuple):
    """The place of a principal that what it does is marked with. Of several units or regions the first."""

    unit: str | None
    region: str | None
    partner: str | None


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something known by name. `id` goes into histories, idempotency keys and the audit."""

    id: str
    roles: frozenset[Role] = frozenset()
    units: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    partner: str | None = None
    customer: str | None = None

    @property
    def zone(self) -> Zone:
        return Zone(self.id, self.units, self.regions, self.partner, self.customer)

    @property
    def home(self) -> Home:
        return Home(next(iter(self.units), None), next(iter(self.regions), None), self.partner)


@dataclass(frozen=True)
class Access:
    """A principal's rules, compiled: what the gates of a transaction are told.

    `taking`: the step that it takes on somebody's record meanwhile.
    """

    principal: Principal
    rules: tuple[Rule, ...] = field(repr=False)
    taking: Need | None = None

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """Parameters of the gates. The stamp is what rows made by the principal are owned by."""
        zone = self.principal.zone
        owns = any(rule.reach is Reach.OWN for rule in self.rules)
        return {
            "as_principal": self.principal.id,
            "as_stamp": array((self.principal.id if owns else None, *self.principal.home)),
            **{f"as_{action}": array(labels(self._rules_for(action), action, zone)) for action in Action},
        }

    def _rules_for(self, action: Action) -> tuple[Rule, ...]:
        step = self.taking
        if step is None or step.taken_on is None or action is not Action.CHANGE:
            return self.rules
        return while_taken(self.rules, step.resource, step.taken_on)

    @cached_property
    def hidden(self) -> frozenset[Hidden]:
        return hidden(self.rules)

    @cached_property
    def masks_orders(self) -> bool:
        """Whether anything may have to be masked of an order that the principal is shown."""
        return any(rule.hidden for rule in self.rules if rule.resource is Resource.ORDER)

    @cached_property
    def _allowed(self) -> frozenset[tuple[Resource, Action]]:
        return frozenset((rule.resource, action) for rule in self.rules for action in rule.actions)

    def allows(self, need: Need) -> bool:
        """Whether any rule allows it, however far it reaches."""
        return (need.resource, need.action) in self._allowed

    def reaches_all(self, resource: Resource) -> bool:
        """Whether every row of it may be read, whosever it is."""
        return any(
            rule.resource is resource and rule.reach is Reach.ALL and Action.READ in rule.actions
            for rule in self.rules
        )


def array(values: Iterable[str | None]) -> str:
    """PostgreSQL's text form of a text[]; made once a principal instead of by the driver at each request."""
    quoted = (
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for value in values
    )
    return "{" + ",".join(quoted) + "}"


@lru_cache(maxsize=4096)
def access_of(principal: Principal) -> Access:
    return Access(principal, rules_of(principal.roles))


@lru_cache(maxsize=4096)
def _taking(principal: Principal, step: Need) -> Access:
    return Access(principal, rules_of(principal.roles), step)


def access_for(access: Access, wanted: Need) -> Access:
    """What the principal reaches while it does that: a step is reached by the rules for the step alone."""
    return access if wanted.taken_on is None else _taking(access.principal, wanted)


NOBODY = access_of(Principal("nobody"))
# The id under which everybody acted before there was sign-in, and acts where it is not required.
TRUSTED = access_of(Principal("anonymous", frozenset({Role.SYSTEM})))
# Sign-in itself, which has to look at accounts before it knows who somebody is.
SIGN_IN = access_of(Principal("system:sign-in", frozenset({Role.ADMINISTRATOR})))

_current: ContextVar[Access | None] = ContextVar("access", default=None)


def current_access() -> Access | None:
    """Whoever the present task acts as; None outside of a request and of `acting_as`."""
    return _current.get()


class Acting:
    """For the length of a block; a generator would cost twice as much, and every request is in one."""

    __slots__ = ("_access", "_token")

    def __init__(self, access: Access) -> None:
        self._access = access

    def __enter__(self) -> None:
        self._token = _current.set(self._access)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def acting_as(access: Access) -> Acting:
    """Everything inside, and every task started inside, acts as that principal."""
    return Acting(access)
