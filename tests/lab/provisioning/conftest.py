"""The provisioned lab, host by host over SSH, as pytest-testinfra sees it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest
import testinfra
import yaml
from testinfra.host import Host

from infra import paths
from infra.lab import Lab
from infra.provisioning import Playbook
from infra.secrets import SecretStore
from infra.topology import Estate, load_estate

INVENTORY = paths.CHECKOUT / "inventory" / "lab"


def hosts_of(group: str) -> list[str]:
    """The hosts of an inventory group, read without Ansible: collecting tests must stay cheap."""
    groups = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["all"]["children"]
    return sorted(groups[group]["hosts"])


@dataclass(frozen=True)
class Provisioned:
    """The lab's estate with the operator's credentials."""

    estate: Estate
    lab: Lab
    store: SecretStore

    def address(self, host: str) -> str:
        return str(self.estate.hosts[host].address)

    @property
    def playbook(self) -> Playbook:
        site = paths.CHECKOUT / "playbooks" / "site.yml"
        return Playbook(site, self.estate, self.store, ssh_config=self.lab.ssh_config)

    def tls(self, *, certificate: bool = True) -> ssl.SSLContext:
        """Trusts the estate's authority; shows the operator's certificate, or none."""
        context = ssl.create_default_context(cafile=str(self.store.ca_certificate))
        if certificate:
            context.load_cert_chain(str(self.store.operator_certificate), str(self.store.operator_key))
        return context

    def client(self, *, certificate: bool = True) -> httpx.Client:
        return httpx.Client(verify=self.tls(certificate=certificate), timeout=30, trust_env=False)


@pytest.fixture(scope="session")
def provisioned() -> Provisioned:
    estate = load_estate(INVENTORY)
    return Provisioned(estate, Lab.of(estate), SecretStore(paths.secrets(INVENTORY)))


@pytest.fixture(scope="session")
def on(provisioned: Provisioned) -> Callable[[str], Host]:
    """`on("dc1-db1")` is that host, by SSH as its operator reaches it."""

    @cache
    def connect(name: str) -> Host:
        config: Path = provisioned.lab.ssh_config
        patience = "-o ConnectTimeout=30 -o ConnectionAttempts=3"
        return testinfra.get_host(f"ssh://{name}", ssh_config=str(config), ssh_extra_args=patience)

    return connect


@pytest.fixture(params=hosts_of("postgresql"))
def told_by_patroni(on: Callable[[str], Host], request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """The lines that a script prints in a host's Patroni, as our starter imports it."""
    imports = (
        "import sys, types; sys.path.insert(0, '/usr/local/lib/twinsite')\n"
        "from patroni_changes import believing, expecting, giving_up, handing_over\n"
        "from patroni_changes import promoting, reading, taking_over, waking\n"
    )

    def told(script: str) -> list[str]:
        python = "/opt/twinsite/patroni/venv/bin/python"
        return on(request.param).check_output("%s -c %s", python, imports + script).splitlines()

    return told
