"""Findings on links between sites and on the witness."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from failover.conditions import Condition, Finding
from failover.panel import Panel


def find(panel: Panel) -> Iterator[Finding]:
    data_sites = panel.picture.layout.data_sites
    for one, other in combinations(data_sites, 2):
        if _cut(panel, one, other):
            yield _data_link(panel, one, other)
    for witness in (site for site in panel.sites if site not in data_sites):
        yield from _witness(panel, witness, data_sites)


def _cut(panel: Panel, one: str, other: str) -> bool:
    """Either side misses all of the other, which is there all the same."""
    return _misses(panel, one, other) or _misses(panel, other, one)


def _misses(panel: Panel, site: str, missed: str) -> bool:
    alive = any(panel.site_seen(view, missed) for view in panel.fresh)
    return alive and panel.agrees(site, lambda view: panel.site_gone(view, missed))


def _data_link(panel: Panel, one: str, other: str) -> Finding:
    link = f"{one}-{other}"
    hears = {(one, other): panel.hears(one, other), (other, one): panel.hears(other, one)}
    if sum(hears.values()) == 1:
        listener, speaker = next(pair for pair, heard in hears.items() if heard)
        evidence = (f"{listener} still hears {speaker}; {speaker} hears nothing of {listener}",)
        return Finding(Condition.LINK_CUT_ONE_WAY, link, evidence)
    sides = [f"{a} reaches no host of {b}" for a, b in ((one, other), (other, one)) if _misses(panel, a, b)]
    return Finding(Condition.LINK_CUT, link, (*sides, f"others see {one} and {other}"))


def _witness(panel: Panel, witness: str, data_sites: tuple[str, ...]) -> Iterator[Finding]:
    speaking = [site for site in data_sites if panel.speaking(site)]
    missing = [site for site in speaking if panel.agrees(site, lambda view: panel.site_gone(view, witness))]
    if not missing:
        return
    evidence = tuple(f"{site}: no host of {witness} answers" for site in missing)
    if any(panel.site_seen(view, witness) for view in panel.fresh):
        for site in missing:
            yield Finding(Condition.WITNESS_LINK_CUT, f"{site}-{witness}", evidence)
        return
    yield Finding(Condition.WITNESS_LOST, witness, evidence)
