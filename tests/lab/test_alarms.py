"""An alarm and the exposure are seen on a real fault: the link between the data sites is cut, and healed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from failover.alarms import IDENTIFIER
from infra.faults import LinkCut
from infra.lab import Lab
from infra.paths import CHECKOUT
from infra.topology import load_estate
from tests.lab.waiting import until

pytestmark = pytest.mark.lab

INVENTORY = CHECKOUT / "inventory/lab"
FIRES_WITHIN_S, ENDS_WITHIN_S = 60.0, 180.0


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab.of(load_estate(INVENTORY))


@dataclass(frozen=True)
class Cut:
    """A link that is cut: since before when (seconds since 1970), and how it is healed."""

    since: int
    heal: Callable[[], object]


@pytest.fixture
def cut(lab: Lab) -> Iterator[Cut]:
    one, other = (site.name for site in lab.estate.data_sites)
    fault = LinkCut((one, other))
    until(lambda: shows(lab, "twinsite_exposed 0"))
    since = int(time.time()) - 1
    lab.inject([fault])
    yield Cut(since, lambda: lab.heal([fault]))
    lab.heal([fault])


def figures(lab: Lab) -> list[str]:
    """The samples of the agent in office, a line each; help texts are left out, as they read like samples."""
    for host in lab.estate.hosts_with_role("zookeeper"):
        text = httpx.get(f"http://{host.address}:7405/metrics", trust_env=False).text
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        if "twinsite_agent_in_office 1" in samples:
            return samples
    return []


def shows(lab: Lab, sample: str) -> None:
    found = figures(lab)
    assert any(each.startswith(sample) for each in found), f"no {sample} among {len(found)} samples"


def tells(lab: Lab, since: int, alarm: str) -> None:
    """Some host's journal holds it under the alarms' identifier."""
    ask = ["journalctl", "-t", IDENTIFIER, "--since", f"@{since}", "--output=cat", "--no-pager"]
    hosts = lab.estate.hosts_with_role("zookeeper")
    assert alarm in "".join(lab.machine(host.name).run(ask).stdout for host in hosts)


def test_a_cut_link_raises_its_alarm_shows_the_exposure_and_both_end(lab: Lab, cut: Cut) -> None:
    until(lambda: shows(lab, 'twinsite_alarm{rule="L-01"'), within_s=FIRES_WITHIN_S)
    until(lambda: tells(lab, cut.since, "firing [L-01] link-cut"), within_s=FIRES_WITHIN_S)
    until(lambda: shows(lab, "twinsite_exposed 1"), within_s=FIRES_WITHIN_S)

    cut.heal()

    until(lambda: tells(lab, cut.since, "resolved [L-01] link-cut"), within_s=ENDS_WITHIN_S)
    until(lambda: shows(lab, "twinsite_exposed 0"), within_s=ENDS_WITHIN_S)
