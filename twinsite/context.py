"""What most commands start from: the estate of the chosen inventory, its secrets, its lab."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import typer

from infra import paths
from infra.lab import Lab, LabDownError
from infra.secrets import SecretStore
from infra.topology import Estate, load_estate
from twinsite.outcome import CannotError, Exit

DEFAULT_INVENTORY = paths.CHECKOUT / "inventory" / "lab"


@dataclass(frozen=True)
class Context:
    """One call of the command line."""

    inventory: Path

    @cached_property
    def estate(self) -> Estate:
        """The estate, read once.

        Raises:
            InventoryError: the inventory cannot be read.
        """
        return load_estate(self.inventory)

    @property
    def secrets(self) -> SecretStore:
        return SecretStore(paths.secrets(self.inventory))

    @property
    def is_lab(self) -> bool:
        """Whether the inventory describes a lab on this machine rather than real servers."""
        return bool(self.estate.links)

    @property
    def lab(self) -> Lab:
        """The lab of this estate.

        Raises:
            CannotError: the inventory describes real servers.
        """
        if not self.is_lab:
            raise CannotError(f"inventory {self.inventory} has no lab: it describes real servers")
        return Lab.of(self.estate)

    @property
    def home(self) -> Path:
        """Where what is known of this estate is kept; for a lab, what goes when the lab goes."""
        return self.lab.directory if self.is_lab else self.secrets.directory

    def require_up(self) -> None:
        """Refuse when the estate is a lab that is down.

        Raises:
            LabDownError: it is.
        """
        if self.is_lab and not self.lab.is_up:
            raise LabDownError("the lab is down; `make up` or `twinsite lab up` brings it up")


def context_of(ctx: typer.Context) -> Context:
    context = ctx.find_object(Context)
    assert context is not None
    return context


def require_root(what: str) -> None:
    """Refuse when this process may not touch namespaces and mounts.

    Raises:
        CannotError: it may not.
    """
    if os.geteuid() != 0:
        raise CannotError(f"{what} needs root: run it with sudo", Exit.FORBIDDEN)
