"""Hosts and sites, as far as an agent may order them."""

from __future__ import annotations

from failover.actuators.absent import Absent
from failover.actuators.preferences import PreferredSite


class Hosts(Absent):
    """Notes the preferred site. The rest is not an agent's to do."""

    def __init__(self, site: PreferredSite, why_not: str) -> None:
        super().__init__(why_not)
        self._site = site

    def prefer_site(self, *, site: str) -> str:
        return self._site.prefer_site(site)
