"""The sites' entries: one holder each, a certificate that fits, and an API behind them."""

from __future__ import annotations

import pytest

from tests.lab.provisioning.conftest import hosts_of
from tests.lab.waiting import until

pytestmark = pytest.mark.lab

SITES = ["dc1", "dc2"]


def holders(on, provisioned, site: str) -> list[str]:
    entry = provisioned.estate.site(site).entry_address
    hosts = [host for host in hosts_of("application") if host.startswith(site)]
    return [host for host in hosts if on(host).check_output(f"ip -4 -oneline address show to {entry}/32")]


def one_holder(on, provisioned, site: str, *, other_than: str = "") -> str:
    """Both hold it for the moment in which a busy one's advertisement is late."""

    def one() -> str:
        (holder,) = found if len(found := holders(on, provisioned, site)) == 1 else [""]
        assert holder, found
        assert holder != other_than
        return holder

    return until(one)


@pytest.mark.parametrize("site", SITES)
def test_one_host_holds_the_entry_address(on, provisioned, site):
    assert one_holder(on, provisioned, site)


@pytest.mark.parametrize("site", SITES)
def test_the_entry_serves_writes_with_a_certificate_that_fits(provisioned, site):
    entry = provisioned.estate.site(site).entry_address

    def serves_writes() -> None:
        with provisioned.client(certificate=False) as client:
            ready = client.get(f"https://{entry}/health/ready").json()
        assert ready["serves"] == "writes"
        assert ready["site"] == site

    until(serves_writes)


def test_the_address_moves_when_its_holders_entry_fails_and_stays_when_it_returns(on, provisioned):
    site = "dc2"
    entry = provisioned.estate.site(site).entry_address
    holder = one_holder(on, provisioned, site)
    on(holder).check_output("systemctl stop haproxy")
    try:
        taker = one_holder(on, provisioned, site, other_than=holder)
    finally:
        on(holder).check_output("systemctl start haproxy")
    assert one_holder(on, provisioned, site) == taker

    def lives() -> None:
        with provisioned.client(certificate=False) as client:
            assert client.get(f"https://{entry}/health/live").status_code == 200

    until(lives)
