"""A rolling restart ends with the first host that does not serve again: the others still do."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from infra.command import run
from infra.paths import CHECKOUT

HOSTS = ("one", "two", "three", "four")
# In place of the tool of that name: notes whose turn it was, and fails on the host that is told.
RESTART = """#!/bin/sh
echo "$3" >> {turns}
[ "$3" != "{broken}" ]
"""


@pytest.fixture
def restart(tmp_path: Path):
    """Restarts on `HOSTS`, all of them this machine; returns whether it went well, and whose turn came."""

    def restarted(broken: str, outdated: tuple[str, ...]) -> tuple[bool, list[str]]:
        turns = tmp_path / "turns"
        turns.touch()
        tool = tmp_path / "restart-and-wait"
        tool.write_text(RESTART.format(turns=turns, broken=broken))
        tool.chmod(0o755)
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tags": ["chosen"],
            "vars": {"ansible_connection": "local", "ansible_become": False, "estate_tools": str(tmp_path)},
            "tasks": [
                {
                    "ansible.builtin.include_role": {"name": "base", "tasks_from": "restart_in_turn"},
                    "vars": {
                        "base_restart_unit": "unit",
                        "base_restart_seconds": "1",
                        "base_restart_serves": "{{ inventory_hostname }}",
                        "ansible_python_interpreter": sys.executable,
                    },
                    "loop": "{{ ansible_play_hosts_all }}",
                    "loop_control": {"loop_var": "base_restart_host"},
                    "when": "inventory_hostname in outdated",
                },
                {"ansible.builtin.command": f"sh -c 'echo after >> {turns}'", "run_once": True},
            ],
        }
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(json.dumps([play]))
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "--inventory",
            f"{','.join(HOSTS)},",
        ]
        command += ["--tags", "chosen", "--extra-vars", json.dumps({"outdated": outdated}), str(playbook)]
        settings = {
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(CHECKOUT / "playbooks" / "roles"),
        }
        told = run(command, cwd=CHECKOUT, env=settings, check=False, timeout=120)
        return told.returncode == 0, turns.read_text().split()

    return restarted


def test_each_in_turn(restart):
    assert restart("nobody", HOSTS) == (True, [*HOSTS, "after"])


def test_nothing_follows_a_host_that_does_not_serve_again(restart):
    assert restart("two", HOSTS) == (False, ["one", "two"])


def test_who_is_up_to_date_is_left_alone(restart):
    assert restart("nobody", ("two", "four")) == (True, ["two", "four", "after"])
