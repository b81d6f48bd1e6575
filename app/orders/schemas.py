"""Orders as drafts and after: requisites, items, vehicle, discount (S5)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.catalogue.schemas import Packaging
from app.contracts.schemas import Quantity
from app.directory.model import Code
from app.fields import Day, Form, Long, Opaque, Short
from app.records.model import Filter, Noun, Record

Percent = Annotated[Decimal, Field(gt=0, le=100, max_digits=5, decimal_places=2)]


class OrderStatus(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Delivery(StrEnum):
    PICKUP = "pickup"
    DELIVERY = "delivery"


class VehicleKind(StrEnum):
    TRUCK = "truck"
    TANKER = "tanker"


class Requisites(Form):
    """Who receives it, how and when. A draft may leave anything out; validation names what is missing."""

    consignee: Short | None = None
    consignee_inn: Opaque | None = None
    delivery: Delivery | None = None
    address: Short | None = None
    wanted_on: Day | None = None


class Vehicle(Form):
    """What comes to fetch it."""

    kind: VehicleKind | None = None
    plate: Opaque | None = None
    trailer_plate: Opaque | None = None
    model: Short | None = None
    driver: Short | None = None
    driver_document: Opaque | None = None


class Item(Form):
    product: Code
    quantity: Quantity = Field(description="In the product's measure")


class Content(Form):
    """What the buyer fills in."""

    contract_id: UUID | None = None
    requisites: Requisites = Requisites()
    items: Annotated[tuple[Item, ...], Field(max_length=500)] = ()
    vehicle: Vehicle | None = None
    carrier: Opaque | None = Field(None, description="The partner that fetches or brings it")
    comment: Long | None = None


class OrderForm(Content):
    customer_id: UUID


class DiscountStatus(StrEnum):
    REQUESTED = "requested"
    GRANTED = "granted"
    REFUSED = "refused"


class Discount(Form):
    status: DiscountStatus
    percent: Percent
    reason: Short


class DiscountForm(Form):
    percent: Percent
    reason: Short


class Decision(StrEnum):
    """What is decided on our side: by the manager, or by the accounting system."""

    CONFIRM = "confirm"
    REFUSE = "refuse"
    SHIP = "ship"
    COMPLETE = "complete"
    GRANT_DISCOUNT = "grant_discount"
    REFUSE_DISCOUNT = "refuse_discount"


class DecisionForm(Form):
    """`percent`: another discount than the one asked for."""

    decision: Decision
    percent: Percent | None = None
    note: Short | None = None


class StepForm(Form):
    note: Short | None = None


class Order(Record):
    number: str
    status: OrderStatus
    archived: bool
    contract_id: UUID | None
    requisites: Requisites
    items: tuple[Item, ...]
    vehicle: Vehicle | None
    carrier: str | None
    discount: Discount | None
    full_amount: Decimal | None = Field(description="By the contract's prices on the day of submission")
    amount: Decimal | None = Field(description="The full amount, less the discount if it is granted")
    currency: str | None
    repeats: UUID | None
    comment: str | None

    @property
    def state(self) -> str:
        return self.status


class OrderFilter(Filter):
    status: OrderStatus | None = None
    archived: bool | None = None
    contract_id: UUID | None = None
    number: Opaque | None = None
    carrier: Opaque | None = None


class Allowed(Form):
    """A product of the order's contract."""

    price: Decimal
    max_quantity: Decimal | None
    packaging: Packaging


ORDERS = Noun(
    "orders",
    "order",
    "order",
    "crm.sales_order",
    Order,
    OrderFilter,
    {
        "drafted": "a draft was made",
        "changed": "a draft was changed",
        "submitted": "the buyer has ordered",
        "confirmed": "the order will be fulfilled",
        "refused": "the order will not be fulfilled",
        "shipped": "the goods are on their way",
        "completed": "the goods were received",
        "cancelled": "the buyer took the order back",
        "archived": "the order was put away",
        "restored": "the order was taken out of the archive",
        "discount_requested": "the buyer asks for a discount",
        "discount_granted": "a discount was granted",
        "discount_refused": "a discount was refused",
        "vehicle_named": "it was said which vehicle comes",
    },
    in_part=True,
)
