"""The example estate, as far as it can be shown without its servers.

Every template of every role is rendered for every host, with the variables of a real run and the secrets that
a first run makes. For that the roles are copied with nothing but their template tasks in them; what is
checked before anything changes runs whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from failover.routes import CONNECTS_WITHIN_S
from infra.command import Completed, run
from infra.paths import CHECKOUT
from infra.provisioning import Playbook
from infra.secrets import SecretStore
from infra.topology import Estate, load_estate

ROLES = CHECKOUT / "playbooks" / "roles"
TEMPLATE = "ansible.builtin.template"
# What a run learns from the hosts, from its own packing, and from `twinsite recover-quorum`.
LEARNT = {
    "release_hash": {"stdout": "0" * 64},
    "keepalived_own_interface": {"stdout": "ens3"},
    "ensemble_members": "{{ groups['zookeeper'] }}",
    "postgresql_held": {"stat": {"exists": False}},
}
ASKING = "Ask the hosts before anything changes"
KEPT = ("loop", "loop_control", "vars", "when")


def template_tasks(role: Path) -> list[dict[str, Any]]:
    tasks = [
        task for file in sorted(role.glob("tasks/*.yml")) for task in yaml.safe_load(file.read_text()) or ()
    ]
    return [task for task in tasks if TEMPLATE in task]


def rendering(task: dict[str, Any]) -> dict[str, Any]:
    """The same template with the same variables, into a variable instead of a file."""
    told = {"t_from": task[TEMPLATE]["src"], "t_to": task[TEMPLATE]["dest"]}
    gathered = "{{ rendered | default({}) | combine({t_to: lookup('ansible.builtin.template', t_from)}) }}"
    kept = {key: task[key] for key in KEPT if key in task}
    return {
        **kept,
        "name": task["name"],
        "vars": {**task.get("vars", {}), **told},
        "ansible.builtin.set_fact": {"rendered": gathered},
    }


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def copy_roles(target: Path) -> None:
    for role in (path for path in ROLES.iterdir() if path.is_dir()):
        for part in ("defaults", "vars", "meta", "templates"):
            if (role / part).exists():
                shutil.copytree(role / part, target / role.name / part)
        for check in role.glob("tasks/assert*.yml"):
            (target / role.name / "tasks").mkdir(parents=True, exist_ok=True)
            shutil.copy(check, target / role.name / "tasks")
        write(target / role.name / "tasks" / "main.yml", [rendering(task) for task in template_tasks(role)])
    shutil.copytree(ROLES / "preflight", target / "preflight", dirs_exist_ok=True)


def copy_playbooks(target: Path) -> Path:
    """The plays of site.yml; instead of asking the hosts, one at the end writes down what was rendered."""
    shutil.copytree(CHECKOUT / "playbooks" / "group_vars", target / "group_vars")
    shutil.copytree(CHECKOUT / "playbooks" / "vars", target / "vars")
    copy_roles(target / "roles")
    plays = yaml.safe_load((CHECKOUT / "playbooks" / "site.yml").read_text())
    assert ASKING in {play["name"] for play in plays}
    plays = [play for play in plays if play["name"] != ASKING]
    everything = (
        "{{ dict(groups['all'] | zip(groups['all'] | map('extract', hostvars, 'rendered'))) | to_json }}"
    )
    telling = {"content": everything, "dest": str(target / "rendered.json"), "mode": "0600"}
    task = {"name": "Tell", "ansible.builtin.copy": telling}
    plays.append({"name": "Tell", "hosts": "localhost", "tasks": [task]})
    write(target / "site.yml", plays)
    return target / "site.yml"


def render(
    estate: Estate, place: Path, spoil: Callable[[Path], object] = lambda playbooks: playbooks
) -> Completed:
    secrets = SecretStore(place / "secrets")
    secrets.ensure(estate)
    playbook = Playbook(copy_playbooks(place / "playbooks"), estate, secrets)
    spoil(place / "playbooks")
    given = place / "given.json"
    given.write_text(json.dumps({**LEARNT, "crm_source": str(CHECKOUT)}))
    argv = playbook.argv(limit=None, tags=(), check=False)
    settings = {
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(place / "playbooks" / "roles"),
        "ANSIBLE_NOCOLOR": "1",
    }
    local = ["--connection", "local", "--extra-vars", f"@{given}"]
    return run([*argv, *local], env=settings, cwd=CHECKOUT, check=False, timeout=240)


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load_estate(CHECKOUT / "inventory" / "example")


@pytest.fixture(scope="module")
def rendered(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Host -> path on it -> text."""
    place = tmp_path_factory.mktemp("example")
    done = render(estate, place)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return json.loads((place / "playbooks" / "rendered.json").read_text())


def test_the_inventory_is_two_data_sites_and_a_witness(estate):
    kinds = {site.name: str(site.kind) for site in estate.sites.values()}
    assert kinds == {"north": "data", "south": "data", "witness": "witness"}
    assert {
        role: len(estate.hosts_with_role(role)) for role in ("postgresql", "application", "zookeeper")
    } == {
        "postgresql": 4,
        "application": 4,
        "zookeeper": 5,
    }


def test_every_host_gets_every_file_of_its_roles(estate, rendered):
    for host in estate.hosts.values():
        files = set(rendered[host.name])
        assert {"/etc/hosts", "/etc/nftables.conf"} <= files
        assert ("/etc/twinsite/patroni.yml" in files) == ("postgresql" in host.roles)
        assert ("/etc/haproxy/haproxy.cfg" in files) == ("application" in host.roles)
        assert ("/etc/twinsite/crm.env" in files) == ("application" in host.roles)
        assert ("/etc/twinsite/zookeeper/zoo.cfg" in files) == ("zookeeper" in host.roles)


def test_every_template_of_the_plays_roles_was_rendered(rendered):
    plays = yaml.safe_load((CHECKOUT / "playbooks" / "site.yml").read_text())
    roles = {role for play in plays for role in play.get("roles", ())}
    templates = {file.name for role in roles for file in (ROLES / role).glob("templates/*.j2")}
    assert templates == {
        task[TEMPLATE]["src"].replace("{{ item }}", str(item))
        for role in roles
        for task in template_tasks(ROLES / role)
        for item in task.get("loop", [""])
    }
    assert len({path for files in rendered.values() for path in files}) >= len(templates)


def test_nothing_was_left_to_be_filled_in(rendered):
    for host, files in rendered.items():
        for path, text in files.items():
            assert text.strip(), (host, path)
            assert "{{" not in text, (host, path)
            assert "AnsibleUndefined" not in text, (host, path)


def test_a_variable_that_nobody_defines_is_found(estate, tmp_path):
    def spoil(playbooks: Path) -> None:
        with (playbooks / "roles" / "base" / "templates" / "hosts.j2").open("a") as template:
            template.write("{{ defined_by_nobody }}\n")

    done = render(estate, tmp_path, spoil)
    assert done.returncode != 0
    assert "'defined_by_nobody' is undefined" in done.stdout


def test_agents_wait_as_long_as_haproxy_does_before_they_cut_off_an_old_primary(estate, rendered):
    for host in estate.hosts_with_role("application"):
        for section in ("primary", "replica"):
            text = rendered[host.name]["/etc/haproxy/haproxy.cfg"].partition(f"listen {section}\n")[2]
            assert f"timeout connect {CONNECTS_WITHIN_S * 1000:g}ms\n" in text.partition("\n\n")[0]


def test_patroni_gets_the_estates_sizes_and_its_watchdog(estate, rendered):
    for host in estate.hosts_with_role("postgresql"):
        settings = yaml.safe_load(rendered[host.name]["/etc/twinsite/patroni.yml"])
        assert settings["name"] == host.name
        assert settings["watchdog"]["mode"] == "required"
        assert "16GB" in rendered[host.name]["/etc/twinsite/patroni.yml"]


def test_each_sites_entry_is_shared_by_its_own_hosts(estate, rendered):
    for host in estate.hosts_with_role("application"):
        text = rendered[host.name]["/etc/keepalived/keepalived.conf"]
        assert str(estate.site(host.site).entry_address) in text
        peers = [other for other in estate.hosts_with_role("application") if other is not host]
        assert {str(peer.address) in text for peer in peers if peer.site == host.site} == {True}
        assert {str(peer.address) in text for peer in peers if peer.site != host.site} == {False}
