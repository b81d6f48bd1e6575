"""An alarm and the exposure are seen on a real fault: the link between the data sites is cut, and healed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from failover.alarms import IDENTIFIER
from infra.faults import LinkCut
from infra.lab import Lab
from infra.paths import CHECKOUT
from infra.topology import load_estate

pytestmark = pytest.mark.lab

INVENTORY = CHECKOUT / "inventory/lab"
FIRES_WITHIN_S, ENDS_WITHIN_S = 30.0, 90.0


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab.of(load_estate(INVENTORY))


@pytest.fixture
def link_cut(lab: Lab) -> Iterator[Callable[[], None]]:
    one, other = (site.name for site in lab.estate.data_sites)
    fault = LinkCut((one, other))
    lab.inject([fault])
    yield lambda: lab.heal([fault])
    lab.heal([fault])


def until(holds: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(1.0)
    return True


def figures(lab: Lab) -> list[str]:
    """The samples of the agent in office, a line each; help texts are left out, as they read like samples."""
    for host in lab.estate.hosts_with_role("zookeeper"):
        text = httpx.get(f"http://{host.address}:7405/metrics", trust_env=False).text
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        if "twinsite_agent_in_office 1" in samples:
            return samples
    return []


def fires(rule: str, samples: list[str]) -> bool:
    return any(sample.startswith(f'twinsite_alarm{{rule="{rule}"') for sample in samples)


def alarms(lab: Lab, since: str) -> str:
    """What any host's journal holds under the alarms' identifier."""
    ask = ["journalctl", "-t", IDENTIFIER, "--since", since, "--output=cat", "--no-pager"]
    hosts = lab.estate.hosts_with_role("zookeeper")
    return "".join(lab.machine(host.name).run(ask).stdout for host in hosts)


def test_a_cut_link_raises_its_alarm_shows_the_exposure_and_both_end(
    lab: Lab, link_cut: Callable[[], None]
) -> None:
    since = f"@{int(time.time()) - 1}"
    assert until(lambda: fires("L-01", figures(lab)), FIRES_WITHIN_S)
    assert until(lambda: "firing [L-01] link-cut" in alarms(lab, since), FIRES_WITHIN_S)
    assert until(lambda: "twinsite_exposed 1" in figures(lab), FIRES_WITHIN_S)

    link_cut()

    assert until(lambda: "resolved [L-01] link-cut" in alarms(lab, since), ENDS_WITHIN_S)
    assert until(lambda: "twinsite_exposed 0" in figures(lab), ENDS_WITHIN_S)
