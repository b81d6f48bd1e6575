"""Profiles of invented companies."""

from __future__ import annotations

from app.routing.schemas import CustomerType, ProfileForm
from app.seeding.customers import region_of
from app.seeding.profiles import profile


def test_a_profile_is_reproducible_and_lies_where_its_company_does():
    made = [profile(7, number, "ООО «А»") for number in range(1, 500)]
    assert made == [profile(7, number, "ООО «А»") for number in range(1, 500)]
    assert made != [profile(8, number, "ООО «А»") for number in range(1, 500)]
    assert [each.region for each in made] == [region_of(number) for number in range(1, 500)]
    assert all(ProfileForm.model_validate(each.model_dump(mode="json")) == each for each in made)


def test_plans_differ_widely_around_their_median():
    volumes = sorted(profile(7, number, "ООО «А»").planned_volume for number in range(1, 1000))
    assert 2500 < volumes[len(volumes) // 2] < 3500
    assert volumes[0] >= 100
    assert volumes[-1] > 10 * volumes[len(volumes) // 2]


def test_a_municipal_enterprise_is_paid_for_by_a_budget():
    assert profile(7, 1, "МУП «А»").customer_type is CustomerType.BUDGET
    assert profile(7, 1, "АО «МУП»").customer_type is CustomerType.COMMERCIAL
