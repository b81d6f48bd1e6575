"""What the tests of sales share: addresses, forms, and who asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.access.principal import Principal, access_of, acting_as

DEALS, CONTRACTS, CATALOGUE = "/api/v1/deals", "/api/v1/contracts", "/api/v1/catalogue"
ORDERS, CLAIMS = "/api/v1/orders", "/api/v1/claims"
VEHICLE = {
    "kind": "truck",
    "plate": "a 123 bc 77",
    "driver": "Иванов Иван",
    "driver_document": "99 12 345678",
}


def asking(name, *roles, **zone):
    return acting_as(access_of(Principal(name, frozenset(roles), **zone)))


def day(ahead=0):
    """The API's own day is UTC's."""
    return str((datetime.now(UTC) + timedelta(days=ahead)).date())


def named(problem):
    return {error["pointer"]: error["code"] for error in problem["errors"]}


def contract(customer, number, **changes):
    return {
        "customer_id": customer["id"],
        "number": f"Д-{number}",
        "unit": "contact-centre",
        "signed_on": "2025-12-01",
        "valid_from": "2025-12-01",
        "valid_until": day(400),
        "prolongation": {"automatic": True, "months": 12, "notice_days": 30},
        **changes,
    }


def product(code, **changes):
    return {
        "code": code,
        "title": {"ru": "Масло", "en": "Oil", "kk": "Май"},
        "kind": "Моторное масло",
        "plant": "Пермь",
        "line": "Genesis",
        "standards": ["API SN"],
        "viscosity": "5W-40",
        "packaging": "packed",
        "container": "Бочка 216,5 л",
        "measure": "piece",
        **changes,
    }


async def agree(api, customer, number, products, **changes):
    """A contract that allows these products, as (code, price, most of one order)."""
    made = await api.post(CONTRACTS, contract(customer, number, **changes))
    assert made.status_code == 201, made.text
    listed = [{"product": code, "price": price, "max_quantity": most} for code, price, most in products]
    allowed = await api.http.put(
        f"{CONTRACTS}/{made.json()['id']}/products",
        json={"agreement": "Доп. соглашение 1", "products": listed},
        headers={"If-Match": made.headers["ETag"]},
    )
    assert allowed.status_code == 200, allowed.text
    return allowed.json()


async def enter_goods(api, number):
    """Two packed products, of which one in a bucket, and one in bulk."""
    barrel, bucket, bulk = (f"{kind}-{number}" for kind in ("barrel", "bucket", "bulk"))
    for form in (
        product(barrel),
        product(bucket, container="Ведро 20 л", viscosity="10W-40", standards=["API SN", "ACEA A3"]),
        product(
            bulk,
            packaging="bulk",
            container="Автоцистерна",
            measure="tonne",
            kind="Гидравлическое масло",
            line="Geyser",
            standards=["DIN 51524"],
            viscosity=None,
            plant="Волгоград",
        ),
    ):
        assert (await api.post("/api/v1/catalogue-products", form)).status_code == 201
    return barrel, bucket, bulk


def complete(customer, agreed, goods, **changes):
    """An order that lacks nothing: two barrels, fetched."""
    return {
        "customer_id": customer["id"],
        "contract_id": agreed["id"],
        "requisites": {"consignee": "ООО Получатель", "delivery": "pickup", "wanted_on": day(9)},
        "items": [{"product": goods[0], "quantity": "2"}],
        "vehicle": VEHICLE,
        **changes,
    }
