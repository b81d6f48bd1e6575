from pathlib import Path

import pytest

from infra import paths
from infra.command import CommandError
from infra.provisioning import Playbook, ProvisioningError
from infra.secrets import SecretStore
from infra.topology import Estate

RECAP = "dc1-db1                    : ok=41   changed=2    unreachable=0    failed=0    skipped=3"


def playbook(tmp_path):
    estate = Estate(Path("inventory/test"), sites={}, hosts={})
    return Playbook(Path("site.yml"), estate, SecretStore(tmp_path), ssh_config=Path("ssh_config"))


@pytest.fixture
def ansible(tmp_path, monkeypatch):
    """Lets the test say what ansible-playbook prints, and how it ends."""

    def says(*lines, error=None):
        def stream(argv, **_):
            yield from lines
            if error:
                raise error

        monkeypatch.setattr("infra.provisioning.stream", stream)

    return says


def test_the_recap_is_read_and_tasks_are_told(tmp_path, ansible):
    ansible("PLAY [all] ****", "TASK [base : Install packages] ****", "changed: [dc1-db1]", RECAP)
    told = []
    (recap,) = playbook(tmp_path).run(tmp_path / "logs" / "run.log", told.append)
    assert (recap.host, recap.ok, recap.changed) == ("dc1-db1", 41, 2)
    assert told == ["base : Install packages"]
    assert RECAP in (tmp_path / "logs" / "run.log").read_text()


def test_a_failure_says_what_the_host_said_and_where_the_rest_is(tmp_path, ansible):
    ansible(
        "TASK [base : Install packages] ****",
        'fatal: [dc1-db1]: FAILED! => {"msg": "No package matching"}',
        error=CommandError(["ansible-playbook"], "ended with status 2"),
    )
    with pytest.raises(ProvisioningError, match="No package matching") as caught:
        playbook(tmp_path).run(tmp_path / "run.log", lambda _: None)
    assert str(tmp_path / "run.log") in str(caught.value)


def test_secrets_are_named_by_file_and_never_by_value(tmp_path):
    argv = playbook(tmp_path).argv(limit="dc1", tags=("base",), check=True)
    assert f"@{tmp_path / 'vault.yml'}" in argv
    assert argv[argv.index("--limit") :][:2] == ["--limit", "dc1"]
    assert "--check" in argv
    assert "-F ssh_config" in argv


def test_connections_to_the_lab_are_kept_where_its_removal_finds_them(tmp_path):
    store = SecretStore(tmp_path)
    estate = Estate(Path("inventory/test"), sites={}, hosts={})
    lab = Playbook(Path("site.yml"), estate, store, ssh_config=tmp_path / "lab" / "ssh_config")
    assert lab.environment()["ANSIBLE_SSH_CONTROL_PATH_DIR"] == str(paths.ssh_connections(tmp_path / "lab"))
    servers = Playbook(Path("site.yml"), estate, store)
    assert "ANSIBLE_SSH_CONTROL_PATH_DIR" not in servers.environment()
