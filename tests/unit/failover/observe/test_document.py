import re
from pathlib import Path

from failover.observe import problems

CHECKOUT = Path(__file__).resolve().parents[4]


def test_every_problem_that_can_be_found_is_documented():
    source = Path(problems.__file__).read_text()
    found = set(re.findall(r'_(?:critical|warning)\(\s*"([a-z-]+)"', source))
    documented = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", (CHECKOUT / "docs/status.md").read_text()))
    assert found
    assert found <= documented
