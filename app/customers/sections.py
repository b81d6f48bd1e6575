"""What the single window shows beside the card, section by section: the rows, and the SQL they come by.

The SQL selects over the alias `c` of the card, newest first and limited: the window shows what an operator
needs in a call; the whole is behind the slices' own lists. Decimals leave PostgreSQL as text: JSON's numbers
would be read as floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.access.policy import Resource
from app.directory.model import Localized


@dataclass(frozen=True, slots=True)
class Section:
    """`resource` decides who sees it; `inside`: not the customer in the portal."""

    name: str
    row: type[Any]
    resource: Resource
    sql: str
    inside: bool = False


@dataclass(frozen=True, slots=True)
class ProfileRow:
    region: str | None
    customer_type: str | None
    vip: bool
    manager: str | None
    contract_unit: str | None


@dataclass(frozen=True, slots=True)
class RequestRow:
    id: UUID
    topic: str
    subject: str
    status: str
    priority: str
    assignee: str | None
    created_at: datetime
    solution_due: datetime | None
    waiting_due: datetime | None


@dataclass(frozen=True, slots=True)
class NoteRow:
    """What colleagues wrote to each other on the customer's requests."""

    request_id: UUID
    author: str
    body: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CallRow:
    id: UUID
    direction: str
    operator: str | None
    started_at: datetime
    ended_at: datetime | None
    request_id: UUID | None


@dataclass(frozen=True, slots=True)
class BookingRow:
    id: UUID
    kind: str
    person: str
    start: datetime
    end: datetime
    request_id: UUID


@dataclass(frozen=True, slots=True)
class CardRow:
    """A fuel card and its limits."""

    id: UUID
    bin: str
    last_four: str
    contract: str | None
    status: str
    daily_quantity: Decimal | None
    monthly_quantity: Decimal | None
    daily_amount: Decimal | None
    monthly_amount: Decimal | None


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A purchase of the last three months."""

    card_id: UUID
    station: str
    product: str
    quantity: Decimal
    amount: Decimal
    currency: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class PointsRow:
    """The bonus account; there is none before the first points."""

    balance: Decimal


@dataclass(frozen=True, slots=True)
class PromotionRow:
    """What holds for the customer now, until before `ends`."""

    code: str
    title: Localized
    text: Localized
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class ContractRow:
    """`valid_until` is the last day, null without end."""

    id: UUID
    number: str
    status: str
    unit: str
    valid_from: date
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """A deal, an order or a claim, and where it stands."""

    id: UUID
    number: str
    state: str
    created_at: datetime


_REQUEST = (
    "SELECT r.id, r.topic, r.subject, r.status, r.priority, r.assignee, r.created_at, r.solution_due,"
    " r.waiting_due"
)
_OF_CARD = "FROM crm.request r WHERE r.customer_id = c.id"

SECTIONS: tuple[Section, ...] = (
    Section(
        "profile",
        ProfileRow,
        Resource.CUSTOMER,
        """SELECT p.region, p.customer_type, p.vip, p.manager, p.contract_unit
           FROM crm.customer_profile p WHERE p.customer_id = c.id""",
        inside=True,
    ),
    Section(
        "open_requests",
        RequestRow,
        Resource.REQUEST,
        f"{_REQUEST} {_OF_CARD} AND r.status <> 'closed' ORDER BY r.id DESC LIMIT 20",
    ),
    Section(
        "closed_requests",
        RequestRow,
        Resource.REQUEST,
        f"{_REQUEST} {_OF_CARD} AND r.status = 'closed' ORDER BY r.id DESC LIMIT 10",
    ),
    Section(
        "notes",
        NoteRow,
        Resource.REQUEST,
        f"""SELECT m.request_id, m.author, m.body, m.created_at
            FROM (SELECT r.id {_OF_CARD} ORDER BY r.id DESC LIMIT 30) AS q
            JOIN crm.request_message m ON m.request_id = q.id AND m.direction = 'internal'
            ORDER BY m.id DESC LIMIT 10""",
        inside=True,
    ),
    Section(
        "calls",
        CallRow,
        Resource.CALL,
        """SELECT l.id, l.direction, l.operator, l.started_at, l.ended_at, l.request_id
           FROM crm.call l WHERE l.customer_id = c.id ORDER BY l.started_at DESC LIMIT 10""",
        inside=True,
    ),
    Section(
        "bookings",
        BookingRow,
        Resource.BOOKING,
        f"""SELECT b.id, b.kind, b.person, lower(b.during) AS start, upper(b.during) AS "end", b.request_id
            FROM (SELECT r.id {_OF_CARD} ORDER BY r.id DESC LIMIT 30) AS q
            JOIN crm.booking b ON b.request_id = q.id
            WHERE NOT b.cancelled AND upper(b.during) > now() ORDER BY lower(b.during) LIMIT 10""",
    ),
    Section(
        "contracts",
        ContractRow,
        Resource.CONTRACT,
        """SELECT k.id, k.number, k.status, k.unit, k.valid_from, k.valid_until
           FROM crm.contract k WHERE k.customer_id = c.id ORDER BY k.id DESC LIMIT 20""",
    ),
    Section(
        "deals",
        StepRow,
        Resource.DEAL,
        """SELECT d.id, d.number, d.stage AS state, d.created_at
           FROM crm.deal d WHERE d.customer_id = c.id ORDER BY d.id DESC LIMIT 10""",
    ),
    Section(
        "orders",
        StepRow,
        Resource.ORDER,
        """SELECT o.id, o.number, o.status AS state, o.created_at
           FROM crm.sales_order o WHERE o.customer_id = c.id AND NOT o.archived
           ORDER BY o.id DESC LIMIT 10""",
    ),
    Section(
        "claims",
        StepRow,
        Resource.CLAIM,
        """SELECT k.id, k.number, k.status AS state, k.created_at
           FROM crm.claim k WHERE k.customer_id = c.id ORDER BY k.id DESC LIMIT 10""",
    ),
    Section(
        "cards",
        CardRow,
        Resource.CARD,
        """SELECT k.id, k.bin, k.last_four, k.contract, k.status,
                  k.daily_quantity::text, k.monthly_quantity::text,
                  k.daily_amount::text, k.monthly_amount::text
           FROM crm.card k WHERE k.customer_id = c.id ORDER BY k.id DESC LIMIT 50""",
    ),
    Section(
        "transactions",
        TransactionRow,
        Resource.CARD,
        """SELECT t.card_id, t.station, t.product, t.quantity, t.amount, t.currency, t.occurred_at
           FROM (SELECT o.id, o.token FROM crm.card o WHERE o.customer_id = c.id
                 ORDER BY o.id DESC LIMIT 50) AS k
           CROSS JOIN LATERAL (
               SELECT k.id AS card_id, d.station, d.product, d.quantity::text, d.amount::text, d.currency,
                      d.occurred_at
               FROM crm.card_transaction_detail d
               WHERE d.card_token = k.token AND d.occurred_at > now() - interval '3 months'
               ORDER BY d.occurred_at DESC LIMIT 20) AS t
           ORDER BY t.occurred_at DESC LIMIT 20""",
    ),
    Section(
        "points",
        PointsRow,
        Resource.LOYALTY,
        "SELECT a.balance::text FROM crm.ledger_account a WHERE a.owner = c.id",
    ),
    Section(
        "promotions",
        PromotionRow,
        Resource.CUSTOMER,
        """SELECT p.code, p.title, p.text, p.starts, p.ends
           FROM crm.promotion p LEFT JOIN crm.customer_profile f ON f.customer_id = c.id
           WHERE p.active AND p.starts <= now() AND p.ends > now()
             AND (p.kinds = '{}' OR c.kind = ANY (p.kinds))
             AND (p.stages = '{}' OR c.stage = ANY (p.stages))
             AND (p.customer_types = '{}' OR f.customer_type = ANY (p.customer_types))
             AND (p.regions = '{}' OR f.region = ANY (p.regions))
           ORDER BY p.ends, p.code LIMIT 20""",
    ),
)
NAMES = tuple(section.name for section in SECTIONS)
