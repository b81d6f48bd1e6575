"""Hosts and sites, as far as an agent may order them."""

from __future__ import annotations

from failover.actuators.preferences import PreferredSite
from failover.maintenance import Register


class Hosts:
    """Notes the preferred site, and who is in maintenance. The hosts themselves are Ansible's."""

    def __init__(self, site: PreferredSite, register: Register) -> None:
        self._site, self._register = site, register

    def hold(self, *, host: str) -> str:
        return self._register.hold(host)

    def give_back(self, *, host: str) -> str:
        return self._register.give_back(host)

    def prefer_site(self, *, site: str) -> str:
        return self._site.prefer_site(site)
