"""How invented companies are served: what promotions and the assignment of requests look at. Pure.

Persons have no profiles: they hold loyalty cards, and are served as anybody. Nobody is a VIP or has a manager
or an office here; those come with a contract (portal_store.py), as do zones.
"""

from __future__ import annotations

import math
from decimal import Decimal
from random import Random

from app.routing.schemas import CustomerType, ProfileForm
from app.seeding.customers import region_of

MUNICIPAL = "МУП"  # a company's legal form, with which its name begins
# An assumption, as the seed documents name none: half of the companies plan more than that a month.
_MEDIAN, _SPREAD = 3000.0, 1.0
_LEAST, _STEP = 100, 100


def profile(seed: int, number: int, name: str) -> ProfileForm:
    """Of the company with that number and name."""
    random = Random(f"{seed}:profile:{number}")  # noqa: S311  # reproducible is the point
    planned = random.lognormvariate(math.log(_MEDIAN), _SPREAD)
    public = name.startswith(MUNICIPAL)
    return ProfileForm(
        region=region_of(number),
        customer_type=CustomerType.BUDGET if public else CustomerType.COMMERCIAL,
        planned_volume=Decimal(max(_LEAST, round(planned / _STEP) * _STEP)),
    )
