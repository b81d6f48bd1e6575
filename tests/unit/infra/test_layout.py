from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import network
from infra.lab import Lab, LabDownError, LabError
from infra.layout import Layout
from infra.topology import Estate, Link, LinkQuality, Network, Site, SiteKind
from infra.wan import WanKind

MADE = Layout(("dc1", "dc2"), ("dc1-dc2",))


def test_a_layout_survives_its_record() -> None:
    assert Layout.of_record(MADE.to_record()) == MADE
    assert Layout.of_record({"wan": "netem"}) is None


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (MADE, ()),
        (Layout(("dc1", "dc2", "dc3"), ("dc1-dc2",)), ("site dc3 is new",)),
        (Layout(("dc1",), ()), ("site dc2 is gone", "link dc1-dc2 is gone")),
        (Layout(("dc2", "dc1"), ("dc1-dc2",)), ("the sites stand in another order: dc2, dc1",)),
    ],
)
def test_every_change_is_named(now: Layout, said: tuple[str, ...]) -> None:
    assert MADE.changes_to(now) == said


def _estate(*sites: str) -> Estate:
    subnets = {name: Network(f"10.9.{n}.0/24") for n, name in enumerate(sites)}
    return Estate(
        Path("inventory/small"),
        {name: Site(name, SiteKind.WITNESS, subnet) for name, subnet in subnets.items()},
        hosts={},
        links=(Link(("dc1", "dc2"), Network("10.9.100.0/30"), LinkQuality()),),
    )


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a lab of dc1 and dc2 whose network stands."""
    record = {"wan": str(WanKind.NETEM), **Layout.of(_estate("dc1", "dc2")).to_record()}
    (tmp_path / "lab.json").write_text(json.dumps(record))
    names = tuple(network.router_namespace(site) for site in ("dc1", "dc2"))
    monkeypatch.setattr(network, "existing_namespaces", lambda: names)
    return tmp_path


def test_a_new_site_leaves_the_running_lab_up_and_is_refused_with_what_helps(running: Path) -> None:
    lab = Lab(_estate("dc1", "dc2", "dc3"), Path(), running)
    assert lab.is_up
    for asked in (lab.describe_up, lambda: lab.inject([]), lab.heal):
        with pytest.raises(LabError, match=r"site dc3 is new.*`twinsite lab down`"):
            asked()


def test_the_lab_of_the_same_sites_needs_nothing(running: Path) -> None:
    lab = Lab(_estate("dc1", "dc2"), Path(), running)
    assert lab.is_up
    assert lab.describe_up() == []


def test_a_lab_whose_routers_are_gone_is_down(running: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "existing_namespaces", lambda: (network.router_namespace("dc1"),))
    assert not Lab(_estate("dc1", "dc2"), Path(), running).is_up


def test_without_a_record_there_is_nothing_to_break(tmp_path: Path) -> None:
    with pytest.raises(LabDownError):
        Lab(_estate("dc1", "dc2"), Path(), tmp_path).inject([])
