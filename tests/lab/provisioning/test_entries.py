"""The sites' entries: one holder each, a certificate that fits, and an API behind them."""

from __future__ import annotations

import time

import pytest

from tests.lab.provisioning.conftest import hosts_of

pytestmark = pytest.mark.lab

SITES = ["dc1", "dc2"]
TAKEOVER_DEADLINE_S = 10.0


def holders(on, provisioned, site: str) -> list[str]:
    entry = provisioned.estate.site(site).entry_address
    hosts = [host for host in hosts_of("application") if host.startswith(site)]
    return [host for host in hosts if on(host).check_output(f"ip -4 -oneline address show to {entry}/32")]


@pytest.mark.parametrize("site", SITES)
def test_one_host_holds_the_entry_address(on, provisioned, site):
    assert len(holders(on, provisioned, site)) == 1


@pytest.mark.parametrize("site", SITES)
def test_the_entry_serves_writes_with_a_certificate_that_fits(provisioned, site):
    entry = provisioned.estate.site(site).entry_address
    with provisioned.client(certificate=False) as client:
        ready = client.get(f"https://{entry}/health/ready").json()
    assert ready["serves"] == "writes"
    assert ready["site"] == site


def test_the_address_moves_when_its_holders_entry_fails_and_stays_when_it_returns(on, provisioned):
    site = "dc2"
    (holder,) = holders(on, provisioned, site)
    on(holder).check_output("systemctl stop haproxy")
    try:
        _await_one_holder(on, provisioned, site, other_than=holder)
    finally:
        on(holder).check_output("systemctl start haproxy")
    (taker,) = holders(on, provisioned, site)
    assert taker != holder
    with provisioned.client(certificate=False) as client:
        assert (
            client.get(f"https://{provisioned.estate.site(site).entry_address}/health/live").status_code
            == 200
        )


def _await_one_holder(on, provisioned, site: str, *, other_than: str) -> None:
    deadline = time.monotonic() + TAKEOVER_DEADLINE_S
    while (found := holders(on, provisioned, site)) == [other_than] or len(found) != 1:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
