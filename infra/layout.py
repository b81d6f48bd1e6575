"""The sites and links of a lab: what is made once, and so must be what the inventory still says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.topology import Estate


@dataclass(frozen=True)
class Layout:
    """Names of sites, in the inventory's order, and of links (`SITE-SITE`)."""

    sites: tuple[str, ...]
    links: tuple[str, ...]

    @classmethod
    def of(cls, estate: Estate) -> Layout:
        return cls(tuple(estate.sites), tuple(link.name for link in estate.links))

    @classmethod
    def of_record(cls, record: Mapping[str, str]) -> Layout | None:
        """The layout noted in a lab's record; None in one of before layouts were noted."""
        if "sites" not in record:
            return None
        return cls(tuple(record["sites"].split()), tuple(record["links"].split()))

    def to_record(self) -> dict[str, str]:
        return {"sites": " ".join(self.sites), "links": " ".join(self.links)}

    def changes_to(self, other: Layout) -> tuple[str, ...]:
        """What makes the other one another, in words; nothing when both are the same."""
        both = (("site", self.sites, other.sites), ("link", self.links, other.links))
        said = [
            f"{what} {name} is {verdict}"
            for what, old, new in both
            for verdict, names in (("new", set(new) - set(old)), ("gone", set(old) - set(new)))
            for name in sorted(names)
        ]
        if not said and self.sites != other.sites:
            said = [f"the sites stand in another order: {', '.join(other.sites)}"]
        return tuple(said)
