"""Every host runs what its roles say, lets in whom it should, and keeps its secrets to itself."""

from __future__ import annotations

import shlex

import pytest

from infra.command import run
from tests.lab.provisioning.conftest import hosts_of
from tests.lab.waiting import until

pytestmark = pytest.mark.lab

ALL = sorted({*hosts_of("dc1"), *hosts_of("dc2"), *hosts_of("wit")})
UNITS = {
    "postgresql": ["patroni"],
    "application": ["haproxy", "pgbouncer", "keepalived", "crm-api"],
    "zookeeper": ["zookeeper"],
}
EVERY_UNIT = [(host, unit) for group, units in UNITS.items() for host in hosts_of(group) for unit in units]


@pytest.mark.parametrize(("host", "unit"), EVERY_UNIT)
def test_a_unit_runs_and_starts_at_boot(on, host, unit):
    service = on(host).service(unit)
    assert service.is_running
    assert service.is_enabled


@pytest.mark.parametrize("host", ALL)
def test_no_unit_has_failed(on, host):
    assert on(host).check_output("systemctl --failed --no-legend --plain") == ""


@pytest.mark.parametrize("host", ALL)
def test_hosts_know_each_other_by_name(on, provisioned, host):
    known = on(host).file("/etc/hosts").content_string
    for name in ALL:
        assert f"{provisioned.address(name)} {name}" in known


@pytest.mark.parametrize("host", ALL)
def test_nobody_logs_in_by_password(on, host):
    settings = on(host).check_output("sshd -T")
    assert "passwordauthentication no" in settings
    assert "kbdinteractiveauthentication no" in settings


# What may stand in no readable file is read from standard input, so that the search itself does not show it.
SEARCH = r"""
patterns=$(cat)
find /etc /opt/twinsite /usr/local /run /var/lib/postgresql /var/log -xdev -type f -perm -o=r -size -1M \
    -not -path '*/venv/*' -not -path '*/journal/*' -print0 |
    xargs -0 grep --files-with-matches --fixed-strings -f <(echo "$patterns")
grep --files-with-matches --fixed-strings --text -f <(echo "$patterns") /proc/[0-9]*/cmdline
journalctl --no-pager --output=cat | grep -qF --text -f <(echo "$patterns") && echo journal
true
"""
PUBLIC = {"ca_certificate", "operator_certificate"}


@pytest.mark.parametrize("host", ALL)
def test_no_secret_is_for_everyone(provisioned, host):
    """Neither a file that any user may read nor a command line nor the journal holds any, or the host's key.

    What Ansible's modules are told would stand in the journal (ansible.cfg).
    """
    secrets = provisioned.store.read()
    texts = [secrets.named(name) for name in secrets.texts() if name not in PUBLIC]
    patterns = [text.splitlines()[1 if text.startswith("-----") else 0] for text in texts]
    patterns.append(secrets.host_certificates[host].key.splitlines()[1])
    assert all(len(pattern) >= 8 for pattern in patterns)
    ssh = ["ssh", "-F", str(provisioned.lab.ssh_config), host, f"bash -c {shlex.quote(SEARCH)}"]
    found = run(ssh, stdin="\n".join(patterns), timeout=60)
    assert found.stdout == ""


# Who must not get through: from a host, to a host and a port.
CLOSED = [
    ("dc2-app1", "dc1-app1", 8000),  # the API is for its own site's entry
    ("dc1-db1", "dc1-app1", 8000),
    ("dc1-db1", "dc1-app1", 7000),
    ("dc1-app1", "dc1-db1", 22),
    ("dc1-db1", "dc1-app1", 2888),
    ("dc1-db1", "wit-zk1", 3888),
    ("dc1-app1", "dc2-app1", 6432),
    ("dc1-app1", "dc2-app1", 5000),
]
OPEN = [
    ("dc1-app1", "dc2-db1", 5432),
    ("dc2-app2", "dc1-db2", 8008),
    ("wit-zk1", "dc1-db1", 8008),
    ("dc1-db1", "wit-zk1", 2181),
    ("wit-zk1", "dc2-app1", 3888),
    ("dc1-app1", "dc1-app2", 8000),
    ("dc2-db1", "dc1-app1", 443),
]


def reaches(on, provisioned, sender: str, receiver: str, port: int) -> bool:
    command = f"timeout 2 bash -c '</dev/tcp/{provisioned.address(receiver)}/{port}'"
    return on(sender).run(command).rc == 0


@pytest.mark.parametrize(("sender", "receiver", "port"), CLOSED)
def test_the_firewall_keeps_out_whom_it_should(on, provisioned, sender, receiver, port):
    assert not reaches(on, provisioned, sender, receiver, port)


@pytest.mark.parametrize(("sender", "receiver", "port"), OPEN)
def test_the_firewall_lets_in_whom_it_should(on, provisioned, sender, receiver, port):
    def let_in() -> None:
        assert reaches(on, provisioned, sender, receiver, port)

    until(let_in)


# What shows that a unit serves, as a shell command on its host.
SERVES = {
    "haproxy": "curl --silent --fail --max-time 10 http://127.0.0.1:7000/entry",
    "pgbouncer": "pg_isready --host=127.0.0.1 --port=6432",
    "keepalived": "systemctl is-active keepalived",
    "crm-api": "curl --silent --fail --max-time 10 http://127.0.0.1:8000/health/ready",
    "zookeeper": (
        "echo srvr | timeout 5 openssl s_client -quiet -connect 127.0.0.1:2181 "
        "-cert /etc/twinsite/tls/host.pem -key /etc/twinsite/tls/host.pem | grep ^Mode:"
    ),
}


@pytest.mark.parametrize("unit", SERVES)
def test_a_killed_unit_comes_back_by_itself(on, unit):
    host = on("dc2-app2")

    def running() -> str:
        """Its process; the test before may have killed what it stands on."""
        pid = str(host.check_output(f"systemctl show {unit} --property=MainPID --value"))
        assert pid != "0"
        return pid

    before = until(running)
    host.check_output(f"kill -KILL {before}")
    is_another = f"! systemctl show {unit} --property=MainPID --value | grep --line-regexp {before}"
    host.check_output("/usr/local/lib/twinsite/wait-until 90 %s", f"{is_another} && {SERVES[unit]}")
