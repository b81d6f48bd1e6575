"""What is wrong with an inventory is said before any host is asked: no host of these tests exists."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.command import run
from infra.paths import CHECKOUT

SECRETS = (
    "postgres_password",
    "replicator_password",
    "rewind_password",
    "crm_owner_password",
    "crm_app_password",
    "crm_audit_password",
    "monitor_password",
    "patroni_rest_password",
    "ca_certificate",
)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example, to be spoilt by the test."""
    copy = tmp_path / "inventory"
    shutil.copytree(CHECKOUT / "inventory" / "example", copy)
    return copy


def groups_of(inventory: Path) -> dict[str, Any]:
    return yaml.safe_load((inventory / "hosts.yml").read_text())


def preflight(inventory: Path, **overrides: object) -> str:
    """The output of a run that must fail before it asks a host."""
    children = groups_of(inventory)["all"]["children"]
    hosts = [host for site in ("north", "south", "witness") for host in children[site]["hosts"]]
    given = {f"secret_{name}": "given" for name in SECRETS}
    given["secret_host_certificates"] = {host: {"certificate": "C", "key": "K"} for host in hosts}
    variables = inventory.parent / "variables.json"
    variables.write_text(json.dumps(given | overrides))
    tool = Path(sys.executable).with_name("ansible-playbook")
    command = [
        str(tool),
        "--inventory",
        str(inventory),
        "--extra-vars",
        f"@{variables}",
        "playbooks/site.yml",
    ]
    settings = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")}
    told = run(command, cwd=CHECKOUT, env=settings, check=False, timeout=120)
    assert told.returncode != 0
    assert "Check the operating system" not in told.stdout
    assert "unreachable=1" not in told.stdout
    return told.stdout + told.stderr


@pytest.mark.parametrize("secret", ["secret_monitor_password", "secret_crm_owner_password"])
def test_an_empty_secret_is_named(inventory, secret):
    assert f"Absent or empty: {secret}." in preflight(inventory, **{secret: ""})


def test_a_host_without_a_certificate_is_named(inventory):
    told = preflight(inventory, secret_host_certificates={"north-db1": {"certificate": "C", "key": "K"}})
    assert "south-db1: every host belongs to a site" in told


def test_a_budget_above_the_lease_is_refused(inventory):
    told = preflight(inventory, estate_zookeeper_sync_limit=12)
    assert "An isolated primary may need 21.0 s to stop, its lease is 20 s" in told


def test_a_session_shorter_than_the_lease_is_refused(inventory):
    told = preflight(inventory, zookeeper_session_maximum_milliseconds=10000)
    assert "zookeeper_session_maximum_milliseconds (10000) is below the lease of 20 s" in told


def test_less_wal_kept_than_a_lost_primary_needs_is_refused(inventory):
    told = preflight(inventory, postgresql_sizing={"max_wal_size": "64GB", "wal_keep_size": "40GB"})
    assert "wal_keep_size is 40GB, max_wal_size 64GB" in told


def test_two_servers_of_one_number_are_refused(inventory):
    groups = groups_of(inventory)
    groups["all"]["children"]["south"]["hosts"]["south-app1"]["zookeeper_id"] = 1
    (inventory / "hosts.yml").write_text(yaml.safe_dump(groups))
    assert "needs a zookeeper_id of its own (found 1, 2, 1, 4, 5 on 5 hosts)" in preflight(inventory)


def test_a_layout_that_allows_two_copies_in_one_site_is_refused(inventory):
    groups = groups_of(inventory)
    groups["all"]["children"]["north"]["hosts"]["north-db3"] = {"ansible_host": "10.10.1.23"}
    groups["all"]["children"]["postgresql"]["hosts"]["north-db3"] = None
    (inventory / "hosts.yml").write_text(yaml.safe_dump(groups))
    assert "north has 3 of 5 database hosts" in preflight(inventory)
