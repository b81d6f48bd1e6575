"""Property-based tests try the same examples on every machine: nothing fails where nobody changed anything.

What is new is looked for on purpose: `pytest --hypothesis-profile=explore --hypothesis-seed=N tests/unit`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A slow machine is no finding: no deadline of an example, nor of making one up.
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("same", settings.get_profile("explore"), derandomize=True, database=None)
settings.load_profile("same")
