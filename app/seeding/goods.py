"""What is sold: lubricants with all the facets of the catalogue, packed and in bulk. Pure.

The facets are those of the seed documents; the products, their lines and their prices are invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.catalogue.schemas import Measure, Packaging, ProductForm
from app.directory.model import Localized

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Oil:
    """`litre`: its price in roubles; `density`: tonnes a cubic metre."""

    code: str
    kind: Localized
    line: str
    plants: tuple[str, ...]
    standards: tuple[str, ...]
    viscosity: str | None
    litre: Decimal
    density: Decimal = Decimal("0.87")


@dataclass(frozen=True, slots=True)
class Container:
    """`litres`: what a piece holds; None: sold by the tonne."""

    code: str
    title: Localized
    litres: Decimal | None


@dataclass(frozen=True, slots=True)
class Good:
    """A product and what a unit of its measure costs before any agreement."""

    form: ProductForm
    price: Decimal


def _said(ru: str, en: str, kk: str) -> Localized:
    return Localized(ru=ru, en=en, kk=kk)


_MOTOR = _said("Моторное масло", "Engine oil", "Мотор майы")
_GEAR = _said("Трансмиссионное масло", "Gear oil", "Трансмиссиялық май")
_HYDRAULIC = _said("Гидравлическое масло", "Hydraulic oil", "Гидравликалық май")
_INDUSTRIAL = _said("Индустриальное масло", "Industrial oil", "Индустриялық май")
_COOLANT = _said("Охлаждающая жидкость", "Coolant", "Салқындатқыш сұйықтық")
_VOLGA, _PERM, _TYUMEN = "Волгоград", "Пермь", "Тюмень"
OILS = (
    Oil("m5w30", _MOTOR, "Polus", (_PERM, _VOLGA), ("API SP", "ILSAC GF-6A"), "5W-30", Decimal(310)),
    Oil("m5w40", _MOTOR, "Polus", (_PERM, _VOLGA), ("API SN", "ACEA A3/B4"), "5W-40", Decimal(285)),
    Oil("m10w40", _MOTOR, "Trakt", (_VOLGA,), ("API SL/CF",), "10W-40", Decimal(190)),
    Oil("m15w40", _MOTOR, "Trakt Diesel", (_VOLGA, _TYUMEN), ("API CI-4", "ACEA E7"), "15W-40", Decimal(205)),
    Oil("m10w30", _MOTOR, "Trakt Diesel", (_TYUMEN,), ("API CK-4", "ACEA E9"), "10W-30", Decimal(260)),
    Oil("g75w90", _GEAR, "Reduktor", (_PERM,), ("API GL-5",), "75W-90", Decimal(340)),
    Oil("g80w90", _GEAR, "Reduktor", (_PERM, _VOLGA), ("API GL-4", "API GL-5"), "80W-90", Decimal(215)),
    Oil("h32", _HYDRAULIC, "Gidro", (_VOLGA,), ("DIN 51524-2",), "ISO VG 32", Decimal(150)),
    Oil("h46", _HYDRAULIC, "Gidro", (_VOLGA, _TYUMEN), ("DIN 51524-3",), "ISO VG 46", Decimal(155)),
    Oil("i20", _INDUSTRIAL, "Stanok", (_VOLGA,), ("ГОСТ 20799",), "ISO VG 32", Decimal(110)),
    Oil("i40", _INDUSTRIAL, "Stanok", (_VOLGA,), ("ГОСТ 20799",), "ISO VG 68", Decimal(112)),
    Oil("c40", _COOLANT, "Frost", (_TYUMEN,), ("ГОСТ 28084",), None, Decimal(95), Decimal("1.07")),
)  # fmt: skip
CONTAINERS = (
    Container("can", _said("Канистра 4 л", "4 l canister", "4 л канистр"), Decimal(4)),
    Container("bucket", _said("Ведро 20 л", "20 l bucket", "20 л шелек"), Decimal(20)),
    Container("barrel", _said("Бочка 216,5 л", "216.5 l barrel", "216,5 л бөшке"), Decimal("216.5")),
    Container("tank", _said("Автоцистерна", "Road tanker", "Автоцистерна"), None),
)


def goods() -> Iterator[Good]:
    """Every oil of every plant in every container."""
    for oil in OILS:
        for place, plant in enumerate(oil.plants, 1):
            for container in CONTAINERS:
                yield Good(_form(oil, place, plant, container), _price(oil, container))


def _form(oil: Oil, place: int, plant: str, container: Container) -> ProductForm:
    packed = container.litres is not None
    return ProductForm(
        code=f"{oil.code}.{place}.{container.code}",
        title=Localized(**{each: _title(oil, container, each) for each in ("ru", "en", "kk")}),
        kind=oil.kind.ru,
        plant=plant,
        line=oil.line,
        standards=oil.standards,
        viscosity=oil.viscosity,
        packaging=Packaging.PACKED if packed else Packaging.BULK,
        container=container.title.ru,
        measure=Measure.PIECE if packed else Measure.TONNE,
    )


def _title(oil: Oil, container: Container, language: str) -> str:
    name = " ".join(filter(None, (getattr(oil.kind, language), oil.line, oil.viscosity)))
    return f"{name}, {getattr(container.title, language)}"


def _price(oil: Oil, container: Container) -> Decimal:
    litres = container.litres or 1000 / oil.density
    return (oil.litre * litres).quantize(CENT)
