"""Who sells, and what."""

from __future__ import annotations

from itertools import islice

from app.catalogue.schemas import FACETS, Packaging
from app.seeding import goods, names, staff


def test_every_region_has_one_office():
    assert {staff.office_of(code) for code in names.REGION_CODES} == set(staff.OFFICES)
    regions = [code for office in staff.OFFICES for code in office.regions]
    assert sorted(regions) == sorted(names.REGION_CODES)


def test_a_larger_staff_contains_the_smaller_and_every_office_has_its_head():
    small, large = list(staff.people(7, 2)), list(staff.people(7, 5))
    assert {person.code: person for person in large} == {
        **{person.code: person for person in large},
        **{person.code: person for person in small},
    }
    assert {unit.head for unit in staff.units()} <= {person.code for person in small}
    assert (staff.managers_for(0), staff.managers_for(10**9)) == (2, staff.MOST_MANAGERS)


def test_goods_differ_in_every_facet_and_speak_three_languages():
    made = [good.form for good in goods.goods()]
    assert len({form.code for form in made}) == len(made)
    assert all(len(set(form.title.model_dump().values())) == 3 for form in made)
    for facet in set(FACETS) - {"standard"}:
        assert len({getattr(form, facet) for form in made} - {None}) >= 2, facet
    assert len({each for form in made for each in form.standards}) > 5


def test_a_piece_costs_what_is_in_it_and_bulk_is_sold_by_the_tonne():
    can, bucket, _, tank = islice(goods.goods(), 4)
    assert (can.price, bucket.price) == (1240, 6200)
    assert tank.form.packaging is Packaging.BULK
    assert round(tank.price * goods.OILS[0].density) == 310_000
