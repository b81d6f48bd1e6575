"""Who may do what, how far: THE table. Pure.

A rule lets a role do an action on a resource within a reach. The API refuses what no rule allows (403);
PostgreSQL's row-level security keeps what is allowed within its reach, by the labels that `compiling` makes
(migrations/0010_access.sql): a row is reached when one of its own labels is among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is. One principal may have several."""

    SYSTEM = "system"  # built in; stands in for everyone while authentication is not required
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    OPERATOR = "operator"
    SALES_MANAGER = "sales_manager"
    SERVICE_MANAGER = "service_manager"
    HEAD = "head"
    PARTNER_MANAGER = "partner_manager"
    CUSTOMER = "customer"
    CARRIER = "carrier"  # a haulier or forwarder; its principal's partner says which
    CHANNEL = "channel"
    PROCESSING = "processing"
    INTEGRATION = "integration"  # a system that follows the feed of events


class Resource(StrEnum):
    CUSTOMER = "customer"
    REQUEST = "request"
    CARD_TRANSACTION = "card_transaction"
    CARD = "card"
    LOYALTY = "loyalty"  # points
    STOCK = "stock"  # what stations have
    DATA_FEED = "data_feed"  # what integrated systems owe us
    DEAL = "deal"  # and the tasks of its stages
    CONTRACT = "contract"  # and the catalogue that contracts allow
    ORDER = "order"
    CLAIM = "claim"
    DECISION = "decision"  # on a customer's order or claim
    SHIPMENT = "shipment"  # which vehicle comes for an order
    COMMUNITY = "community"  # feed and messenger of the portal's clients
    CHAT = "chat"  # of a client with its managers
    REFERENCE = "reference"  # directories that the portal shows too
    CALL = "call"
    BOOKING = "booking"  # free time of people, and who has booked it
    NOTIFICATION = "notification"
    IMPORT = "import"
    REPORT = "report"  # figures of what one reaches of the requests
    TURNOVER = "turnover"  # figures of what was bought with the cards in reach
    ACCOUNT = "account"
    AUDIT = "audit"
    EVENT = "event"  # the feed
    SUBSCRIPTION = "subscription"  # who is sent events, and what became of each
    DIRECTORY = "directory"  # topics, queues, units, people, rules, calendars, articles
    OTHER = "other"  # whatever the table of operations does not know: nobody but SYSTEM gets it


class Action(StrEnum):
    """The values are the names of the settings that row-level security looks at, after `crm.`."""

    READ = "reads"
    CREATE = "creates"
    CHANGE = "changes"


class Reach(StrEnum):
    """How far. All but ALL compare one attribute of the row with one of the principal."""

    ALL = "*"
    REGION = "region"
    UNIT = "unit"
    PARTNER = "partner"
    OWN = "manager"  # the row is assigned to the principal
    SELF = "customer"  # the row is the principal's company's
    CARRIER = "carrier"  # the row is to be carried by the principal's partner


class Hidden(StrEnum):
    """What a role is shown masked."""

    CONTACTS = "contacts"
    REQUISITES = "requisites"
    DRIVERS = "drivers"  # who comes for an order, and by which document
    TERMS = "terms"  # what an order costs, and by which contract


@dataclass(frozen=True, slots=True)
class Rule:
    role: Role
    resource: Resource
    reach: Reach
    actions: frozenset[Action]
    reason: str
    hidden: frozenset[Hidden] = frozenset()


READ = frozenset({Action.READ})
CREATE = READ | {Action.CREATE}
MOVE = READ | {Action.CHANGE}
ALL_OF_IT = CREATE | {Action.CHANGE}
PERSONAL = frozenset({Hidden.CONTACTS, Hidden.REQUISITES})
DRIVERS, TERMS = frozenset({Hidden.DRIVERS}), frozenset({Hidden.TERMS})
AGREED = (Resource.DEAL, Resource.CONTRACT, Resource.ORDER, Resource.CLAIM)
# Taken on somebody's order or claim. No row has labels of theirs: `compiling.while_taken`.
STEPS = frozenset({Resource.DECISION, Resource.SHIPMENT})
SALES = (*AGREED, *STEPS, Resource.CHAT)
BOOKED = (Role.SALES_MANAGER, Role.SERVICE_MANAGER, Role.PARTNER_MANAGER)

TABLE: tuple[Rule, ...] = (
    *(
        Rule(Role.SYSTEM, resource, Reach.ALL, ALL_OF_IT, "the estate's own processes on a trusted network")
        for resource in Resource
    ),
    *(
        Rule(role, Resource.DIRECTORY, Reach.ALL, READ, "works by the directories")
        for role in (Role.OPERATOR, Role.SALES_MANAGER, Role.SERVICE_MANAGER, Role.HEAD, Role.PARTNER_MANAGER)
    ),
    Rule(Role.ADMINISTRATOR, Resource.DIRECTORY, Reach.ALL, ALL_OF_IT, "keeps the directories"),
    Rule(Role.ADMINISTRATOR, Resource.ACCOUNT, Reach.ALL, ALL_OF_IT, "keeps accounts, roles and zones"),
    Rule(Role.AUDITOR, Resource.AUDIT, Reach.ALL, READ, "reads who did and saw what"),
    Rule(Role.HEAD, Resource.AUDIT, Reach.UNIT, READ, "sees what the unit's people did and saw"),
    Rule(Role.HEAD, Resource.AUDIT, Reach.REGION, READ, "sees what the region's people did and saw"),
    Rule(Role.AUDITOR, Resource.CUSTOMER, Reach.ALL, READ, "follows an entry to its card", PERSONAL),
    Rule(Role.AUDITOR, Resource.REQUEST, Reach.ALL, READ, "follows an entry to its request"),
    # The hot line takes whoever calls, so it searches the whole base.
    Rule(Role.OPERATOR, Resource.CUSTOMER, Reach.ALL, ALL_OF_IT, "identifies and registers callers"),
    Rule(
        Role.OPERATOR, Resource.REQUEST, Reach.ALL, ALL_OF_IT, "registers, takes and closes on the first line"
    ),
    # "A sales manager sees only those customers who are assigned to him", and so for support and partners.
    Rule(Role.SALES_MANAGER, Resource.CUSTOMER, Reach.OWN, ALL_OF_IT, "sells to the assigned customers"),
    Rule(Role.SALES_MANAGER, Resource.REQUEST, Reach.OWN, ALL_OF_IT, "answers for the assigned customers"),
    Rule(Role.SERVICE_MANAGER, Resource.CUSTOMER, Reach.UNIT, ALL_OF_IT, "supports the unit's contracts"),
    Rule(Role.SERVICE_MANAGER, Resource.REQUEST, Reach.UNIT, ALL_OF_IT, "works off the unit's requests"),
    Rule(Role.SERVICE_MANAGER, Resource.REQUEST, Reach.OWN, ALL_OF_IT, "keeps what was assigned in person"),
    # A head sees the whole zone of responsibility and redistributes it.
    Rule(Role.HEAD, Resource.CUSTOMER, Reach.UNIT, ALL_OF_IT, "answers for the unit"),
    Rule(Role.HEAD, Resource.CUSTOMER, Reach.REGION, ALL_OF_IT, "answers for the regional office"),
    Rule(Role.HEAD, Resource.REQUEST, Reach.UNIT, ALL_OF_IT, "redistributes within the unit"),
    Rule(Role.HEAD, Resource.REQUEST, Reach.REGION, ALL_OF_IT, "redistributes within the region"),
    Rule(
        Role.PARTNER_MANAGER,
        Resource.CUSTOMER,
        Reach.PARTNER,
        ALL_OF_IT,
        "serves the distributor's customers",
    ),
    Rule(
        Role.PARTNER_MANAGER, Resource.REQUEST, Reach.PARTNER, ALL_OF_IT, "works off the outsourced requests"
    ),
    # Calls are also seen with the request or customer they are about, bookings with their request (0051).
    Rule(Role.OPERATOR, Resource.CALL, Reach.ALL, ALL_OF_IT, "answers whoever calls"),
    Rule(Role.CHANNEL, Resource.CALL, Reach.ALL, ALL_OF_IT, "the telephone system tells of its calls"),
    Rule(Role.AUDITOR, Resource.CALL, Reach.ALL, READ, "follows an entry to its call", PERSONAL),
    *(Rule(role, Resource.CALL, Reach.OWN, ALL_OF_IT, "calls the own customers") for role in BOOKED),
    Rule(Role.HEAD, Resource.CALL, Reach.OWN, READ, "hears how requests of the unit are talked about"),
    Rule(Role.OPERATOR, Resource.BOOKING, Reach.ALL, ALL_OF_IT, "books whoever the caller asks for"),
    *(Rule(role, Resource.BOOKING, Reach.OWN, ALL_OF_IT, "keeps the own calendar") for role in BOOKED),
    Rule(Role.HEAD, Resource.BOOKING, Reach.UNIT, ALL_OF_IT, "keeps the calendars of the unit"),
    Rule(Role.CUSTOMER, Resource.BOOKING, Reach.SELF, ALL_OF_IT, "books a call about what was asked"),
    *(
        Rule(role, Resource.NOTIFICATION, Reach.OWN, READ | {Action.CHANGE}, "reads what is for them")
        for role in (Role.OPERATOR, Role.HEAD, *BOOKED)
    ),
    Rule(Role.ADMINISTRATOR, Resource.IMPORT, Reach.ALL, ALL_OF_IT, "loads whole bases"),
    Rule(Role.HEAD, Resource.REPORT, Reach.ALL, READ, "answers for the figures of the zone"),
    *(
        Rule(role, Resource.TURNOVER, Reach.ALL, READ, "answers for what the cards in reach buy")
        for role in (Role.OPERATOR, Role.HEAD, *BOOKED, Role.CUSTOMER)
    ),
    Rule(Role.CUSTOMER, Resource.CUSTOMER, Reach.SELF, READ, "sees the own card in the portal"),
    Rule(Role.CUSTOMER, Resource.REQUEST, Reach.SELF, CREATE, "asks, and sees the status of what was asked"),
    Rule(Role.CHANNEL, Resource.CUSTOMER, Reach.ALL, READ, "finds the sender of a message", PERSONAL),
    Rule(Role.CHANNEL, Resource.REQUEST, Reach.ALL, ALL_OF_IT, "registers what arrives"),
    Rule(Role.PROCESSING, Resource.CARD_TRANSACTION, Reach.ALL, ALL_OF_IT, "delivers its feed"),
    Rule(Role.AUDITOR, Resource.LOYALTY, Reach.ALL, READ, "follows an entry to its points"),
    Rule(Role.OPERATOR, Resource.LOYALTY, Reach.ALL, ALL_OF_IT, "corrects points for whoever calls"),
    Rule(Role.SALES_MANAGER, Resource.LOYALTY, Reach.OWN, READ, "knows what the assigned customers have"),
    Rule(
        Role.SERVICE_MANAGER,
        Resource.LOYALTY,
        Reach.UNIT,
        ALL_OF_IT,
        "corrects the unit's points",
    ),
    Rule(Role.HEAD, Resource.LOYALTY, Reach.UNIT, ALL_OF_IT, "answers for the unit"),
    Rule(Role.HEAD, Resource.LOYALTY, Reach.REGION, ALL_OF_IT, "answers for the regional office"),
    Rule(
        Role.PARTNER_MANAGER,
        Resource.LOYALTY,
        Reach.PARTNER,
        READ,
        "knows what the customers have",
    ),
    Rule(Role.CUSTOMER, Resource.LOYALTY, Reach.SELF, READ, "sees the own points in the portal"),
    Rule(Role.PROCESSING, Resource.LOYALTY, Reach.ALL, MOVE, "redeems points at the cash desk"),
    *(
        Rule(role, Resource.STOCK, Reach.ALL, READ, "tells who asks where there is fuel")
        for role in (
            *(Role.OPERATOR, Role.SALES_MANAGER, Role.SERVICE_MANAGER, Role.HEAD, Role.PARTNER_MANAGER),
            Role.CUSTOMER,
        )
    ),
    Rule(Role.INTEGRATION, Resource.STOCK, Reach.ALL, CREATE, "delivers what stations have"),
    Rule(Role.INTEGRATION, Resource.DATA_FEED, Reach.ALL, CREATE, "says that data have arrived"),
    Rule(Role.PROCESSING, Resource.DATA_FEED, Reach.ALL, CREATE, "says what it has sent of a day"),
    *(
        Rule(role, Resource.DATA_FEED, Reach.ALL, READ, "acts before missing data hurt")
        for role in (Role.ADMINISTRATOR, Role.OPERATOR, Role.SERVICE_MANAGER, Role.HEAD)
    ),
    Rule(Role.INTEGRATION, Resource.EVENT, Reach.ALL, READ, "follows what happens"),
    Rule(Role.ADMINISTRATOR, Resource.SUBSCRIPTION, Reach.ALL, ALL_OF_IT, "decides who is sent events"),
    # Cards are reached with their owners.
    Rule(Role.AUDITOR, Resource.CARD, Reach.ALL, READ, "follows an entry to its card"),
    Rule(Role.OPERATOR, Resource.CARD, Reach.ALL, ALL_OF_IT, "blocks and replaces cards for whoever calls"),
    Rule(Role.SALES_MANAGER, Resource.CARD, Reach.OWN, ALL_OF_IT, "issues cards to the assigned customers"),
    Rule(
        Role.SERVICE_MANAGER, Resource.CARD, Reach.UNIT, ALL_OF_IT, "keeps the cards of the unit's contracts"
    ),
    Rule(Role.HEAD, Resource.CARD, Reach.UNIT, ALL_OF_IT, "answers for the unit"),
    Rule(Role.HEAD, Resource.CARD, Reach.REGION, ALL_OF_IT, "answers for the regional office"),
    Rule(Role.PARTNER_MANAGER, Resource.CARD, Reach.PARTNER, ALL_OF_IT, "serves the distributor's customers"),
    Rule(Role.CUSTOMER, Resource.CARD, Reach.SELF, MOVE, "blocks and limits the own cards in the portal"),
    Rule(Role.PROCESSING, Resource.CARD, Reach.ALL, MOVE, "asks before a purchase; blocks what was stolen"),
    # What is agreed with customers is reached with them.
    *(
        Rule(role, resource, reach, ALL_OF_IT, reason)
        for resource in SALES
        for role, reach, reason in (
            (Role.SALES_MANAGER, Reach.OWN, "sells to the assigned customers"),
            (Role.SERVICE_MANAGER, Reach.UNIT, "supports the unit's contracts"),
            (Role.HEAD, Reach.UNIT, "answers for the unit"),
            (Role.HEAD, Reach.REGION, "answers for the regional office"),
            (Role.PARTNER_MANAGER, Reach.PARTNER, "serves the distributor's customers"),
        )
    ),
    *(
        Rule(role, resource, Reach.ALL, READ, reason, DRIVERS if resource is Resource.ORDER else frozenset())
        for resource in AGREED
        for role, reason in (
            (Role.OPERATOR, "tells whoever calls how it stands"),
            (Role.AUDITOR, "follows an entry to its record"),
        )
    ),
    # The portal: what is the company's own, and no more.
    Rule(Role.CUSTOMER, Resource.CONTRACT, Reach.SELF, READ, "sees the own contracts and what they allow"),
    Rule(Role.CUSTOMER, Resource.ORDER, Reach.SELF, ALL_OF_IT, "orders in the portal"),
    Rule(Role.CUSTOMER, Resource.SHIPMENT, Reach.SELF, ALL_OF_IT, "says which vehicle comes"),
    Rule(Role.CUSTOMER, Resource.CLAIM, Reach.SELF, ALL_OF_IT, "complains in the portal"),
    Rule(Role.CUSTOMER, Resource.CHAT, Reach.SELF, ALL_OF_IT, "asks the own managers"),
    Rule(Role.CUSTOMER, Resource.COMMUNITY, Reach.SELF, ALL_OF_IT, "talks to the other clients"),
    Rule(Role.ADMINISTRATOR, Resource.COMMUNITY, Reach.ALL, MOVE, "keeps order in the feed"),
    Rule(Role.CUSTOMER, Resource.REFERENCE, Reach.ALL, READ, "sees which documents a claim needs"),
    Rule(
        Role.CARRIER,
        Resource.ORDER,
        Reach.CARRIER,
        READ,
        "sees what it is to carry",
        TERMS,
    ),
    Rule(Role.CARRIER, Resource.SHIPMENT, Reach.CARRIER, MOVE, "says which vehicle comes"),
    *(
        Rule(
            Role.INTEGRATION, resource, Reach.ALL, actions, "the accounting system follows orders and decides"
        )
        for resource, actions in (
            (Resource.CONTRACT, MOVE),
            (Resource.ORDER, READ),
            (Resource.CLAIM, READ),
            (Resource.DECISION, MOVE),
        )
    ),
    *(
        Rule(role, Resource.REFERENCE, Reach.ALL, READ, "works by the directories")
        for role in (Role.OPERATOR, Role.SALES_MANAGER, Role.SERVICE_MANAGER, Role.HEAD, Role.PARTNER_MANAGER)
    ),
    Rule(Role.ADMINISTRATOR, Resource.REFERENCE, Reach.ALL, ALL_OF_IT, "keeps the directories"),
)
