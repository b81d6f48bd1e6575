"""The table of rules, and what is compiled from it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.access.compiling import Zone, labels, rules_of
from app.access.masking import mask, masked
from app.access.operations import need
from app.access.policy import PERSONAL, STEPS, TABLE, Action, Hidden, Reach, Resource, Role
from app.access.principal import NOBODY, TRUSTED, Principal, access_for, access_of, array
from app.customers.schemas import Contact, ContactKind, Customer, CustomerKind, Match, Matches, Stage

pytestmark = pytest.mark.safety

CARD = Customer(
    UUID(int=1),
    CustomerKind.COMPANY,
    Stage.LEAD,
    "ООО Ромашка",
    "7707083893",
    "770101001",
    None,
    "11223344595",
    "г Москва, ул Ленина, д 5",
    None,
    (Contact(ContactKind.PHONE, "+74951234567", "Иванов"),),
    {"name": "ООО  Ромашка", "inn": "7707 083893", "contacts/0/value": "8 495 1234567"},
    1,
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
)


def test_every_role_has_a_rule_and_every_rule_a_reason():
    assert {rule.role for rule in TABLE} == set(Role)
    assert all(rule.reason for rule in TABLE)


def test_who_sees_something_masked_may_not_write_it_back():
    for role in Role:
        access = access_of(Principal("x", frozenset({role})))
        changing = {(rule.resource, action) for rule in access.rules for action in rule.actions}
        if access.hidden and (Resource.CUSTOMER, Action.READ) in changing:
            assert not {(Resource.CUSTOMER, Action.CREATE), (Resource.CUSTOMER, Action.CHANGE)} & changing


def test_who_sees_an_order_masked_does_not_write_the_masked_part_back():
    """The order as a whole, and the vehicle, which is a step of its own."""
    writes = {
        Hidden.TERMS: {Resource.ORDER},
        Hidden.DRIVERS: {Resource.ORDER, Resource.SHIPMENT},
    }
    found = set()
    for rule in TABLE:
        for hidden in rule.hidden if rule.resource is Resource.ORDER else ():
            found.add(hidden)
            written = {
                other.resource
                for other in TABLE
                if other.role is rule.role and other.actions & {Action.CREATE, Action.CHANGE}
            }
            assert not written & writes[hidden], rule
    assert found == set(writes)


def test_only_the_built_in_role_gets_what_nobody_named():
    assert {rule.role for rule in TABLE if rule.resource is Resource.OTHER} == {Role.SYSTEM}


def of(role, action, zone):
    """Labels of cards and requests."""
    found = labels(rules_of({role}), action, zone)
    return tuple(label for label in found if label.startswith(("customer:", "request:")))


def test_labels_say_how_far_each_rule_reaches():
    zone = Zone("petrova", units=("north",), regions=("77", "50"))
    assert of(Role.HEAD, Action.CHANGE, zone) == (
        "customer:region=50",
        "customer:region=77",
        "customer:unit=north",
        "request:region=50",
        "request:region=77",
        "request:unit=north",
    )
    assert of(Role.SALES_MANAGER, Action.READ, zone) == (
        "customer:manager=petrova",
        "request:manager=petrova",
    )


# What everybody who may see it sees all of.
IN_NO_ZONE = {"directory:*", "reference:*", "stock:*", "data_feed:*", "report:*", "turnover:*"}


@pytest.mark.parametrize("role", [Role.HEAD, Role.PARTNER_MANAGER, Role.CUSTOMER, Role.CARRIER])
def test_a_role_without_its_zone_reaches_only_what_is_its_own(role):
    for action in Action:
        reached = set(labels(rules_of({role}), action, Zone("x")))
        assert {label for label in reached if not label.endswith(":manager=x")} <= IN_NO_ZONE


def test_reaches_are_the_attributes_of_rows():
    assert {reach.value for reach in Reach} == {
        "*",
        "manager",
        "unit",
        "region",
        "partner",
        "customer",
        "carrier",
    }


def test_nobody_may_nothing_and_a_trusted_network_everything():
    assert set(NOBODY.parameters.values()) == {"nobody", "{}", "{NULL,NULL,NULL,NULL}"}
    for resource in set(Resource) - STEPS:
        assert f'"{resource}:*"' in TRUSTED.parameters["as_changes"]


def changes(access):
    return set(access.parameters["as_changes"].strip("{}").replace('"', "").split(","))


def test_a_step_reaches_what_its_own_rules_say_and_only_while_it_is_taken():
    both = access_of(
        Principal("x", frozenset({Role.CUSTOMER, Role.CARRIER}), partner="fast", customer="mine")
    )
    plain = changes(both)
    assert "order:customer=mine" in plain
    assert not {label for label in plain if "carrier" in label or label.startswith("shipment")}
    vehicle = changes(access_for(both, need("PUT", "/api/v1/orders/1/vehicle")))
    assert {"order:customer=mine", "order:carrier=fast"} <= vehicle
    assert vehicle - plain == {"order:carrier=fast"}
    decider = access_of(Principal("x", frozenset({Role.SALES_MANAGER, Role.CUSTOMER}), customer="mine"))
    decision = changes(access_for(decider, need("POST", "/api/v1/orders/1/decision")))
    assert {label for label in decision if label.startswith("order:")} == {"order:manager=x"}
    assert "claim:customer=mine" in decision, "of other records nothing changes"
    assert access_for(both, need("POST", "/api/v1/orders/1/cancel")) is both


def test_a_zone_cannot_break_out_of_its_label():
    assert array(['a"b', "c\\d", "e,f}", None]) == '{"a\\"b","c\\\\d","e,f}",NULL}'


@pytest.mark.parametrize(
    ("method", "path", "resource", "action"),
    [
        ("GET", "/api/v1/customers", Resource.CUSTOMER, Action.READ),
        ("POST", "/api/v1/customers", Resource.CUSTOMER, Action.CREATE),
        ("POST", "/api/v1/customers/check", Resource.CUSTOMER, Action.READ),
        ("PATCH", "/api/v1/customers/1", Resource.CUSTOMER, Action.CHANGE),
        ("POST", "/api/v1/requests/1/close", Resource.REQUEST, Action.CHANGE),
        ("POST", "/api/v1/card-transactions/batch", Resource.CARD_TRANSACTION, Action.CREATE),
        ("POST", "/api/v1/cards/search", Resource.CARD, Action.READ),
        ("POST", "/api/v1/cards/1/block", Resource.CARD, Action.CHANGE),
        ("POST", "/api/v1/orders", Resource.ORDER, Action.CREATE),
        ("GET", "/api/v1/orders/1/validation", Resource.ORDER, Action.READ),
        ("POST", "/api/v1/orders/1/decision", Resource.DECISION, Action.CHANGE),
        ("PUT", "/api/v1/orders/1/vehicle", Resource.SHIPMENT, Action.CHANGE),
        ("GET", "/api/v1/never-heard-of", Resource.OTHER, Action.READ),
        ("GET", "/api/v1/customers%2f..", Resource.OTHER, Action.READ),
    ],
)
def test_an_operation_needs(method, path, resource, action):
    found = need(method, path)
    assert found is not None
    assert (found.resource, found.action) == (resource, action)


def test_health_and_sign_in_are_open():
    for path in ("/health/live", "/metrics", "/api/v1/oauth/token", "/api/v1/openapi.json"):
        assert need("GET", path) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [("+74951234567", "********4567"), ("12345678", "********"), ("", ""), (None, None)],
)
def test_masking_keeps_four_of_a_long_text(text, shown):
    assert mask(text) == shown


def test_masked_cards_keep_their_shape():
    shown = masked(Matches([Match(CARD, "inn", 1.0)], 0.0), PERSONAL).items[0].customer
    assert (shown.id, shown.name, shown.inn, shown.kpp) == (CARD.id, CARD.name, "******3893", "*****1001")
    assert shown.contacts == (Contact(ContactKind.PHONE, "********4567", "******"),)
    assert shown.given == {"name": "ООО  Ромашка"}
    assert masked(CARD, frozenset({Hidden.CONTACTS})).inn == CARD.inn
    assert masked(CARD, frozenset()) is CARD
