import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from infra.pki import covered_names
from infra.secret_values import SecretsError
from infra.secrets import SecretStore
from infra.topology import estate_from_listing

SITES = {
    "dc1": {"site": "dc1", "site_subnet": "10.77.1.0/24", "site_entry_address": "10.77.1.10"},
    "wit": {"site": "wit", "site_subnet": "10.77.3.0/24"},
}
HOSTS = {
    "dc1-db1": {"ansible_host": "10.77.1.21", **SITES["dc1"]},
    "dc1-app1": {"ansible_host": "10.77.1.31", **SITES["dc1"]},
    "wit-zk1": {"ansible_host": "10.77.3.41", **SITES["wit"]},
}


def estate(**more):
    listed = {
        "_meta": {"hostvars": {**HOSTS, **more}},
        "postgresql": {"hosts": ["dc1-db1"]},
        "application": {"hosts": ["dc1-app1"]},
        "zookeeper": {"hosts": ["dc1-app1", "wit-zk1"]},
    }
    return estate_from_listing(Path("inventory/test"), listed)


@pytest.fixture
def store(tmp_path):
    return SecretStore(tmp_path / "secrets" / "test")


def files(store):
    return {path.name: path.read_bytes() for path in store.directory.iterdir()}


def test_the_second_call_changes_nothing(store):
    made = store.ensure(estate())
    before = files(store)
    assert store.ensure(estate()) == made == store.read()
    assert files(store) == before


@pytest.mark.safety
def test_only_the_owner_reads_anything(store):
    store.ensure(estate())
    modes = {stat.S_IMODE(path.stat().st_mode) for path in store.directory.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700


def test_a_new_host_gets_a_certificate_and_the_others_keep_theirs(store):
    before = store.ensure(estate())
    after = store.ensure(estate(**{"dc1-db2": {"ansible_host": "10.77.1.22", **SITES["dc1"]}}))
    added = dict(after.host_certificates)
    assert covered_names(added.pop("dc1-db2")) >= {"dc1-db2", "10.77.1.22"}
    assert added == before.host_certificates
    assert after.postgres_password == before.postgres_password


def test_a_moved_host_gets_a_certificate_that_fits(store):
    before = store.ensure(estate())
    after = store.ensure(estate(**{"dc1-db1": {"ansible_host": "10.77.1.77", **SITES["dc1"]}}))
    assert "10.77.1.77" in covered_names(after.host_certificates["dc1-db1"])
    assert after.host_certificates["wit-zk1"] == before.host_certificates["wit-zk1"]


def test_application_hosts_answer_for_their_sites_entry(store):
    certificates = store.ensure(estate()).host_certificates
    entry = SITES["dc1"]["site_entry_address"]
    assert {name for name in certificates if entry in covered_names(certificates[name])} == {"dc1-app1"}


def test_ansible_opens_the_vault_and_finds_the_promised_variables(store):
    made = store.ensure(estate())
    secret = VaultSecret(store.vault_password.read_bytes())
    held = yaml.safe_load(VaultLib([("default", secret)]).decrypt(store.vault.read_bytes()))
    assert held["secret_monitor_password"] == made.monitor_password
    assert held["secret_ca_certificate"] == store.ca_certificate.read_text()
    assert set(held["secret_host_certificates"]["dc1-db1"]) == {"certificate", "key"}
    assert all(name.startswith("secret_") for name in held)
    assert "PRIVATE" not in store.vault.read_text()


def test_passwords_differ_and_fit_where_they_go(store):
    made = store.ensure(estate())
    passwords = {name: value for name, value in vars(made).items() if name.endswith("_password")}
    assert len(set(passwords.values())) == len(passwords)
    assert len(made.keepalived_password) == 8
    assert all(value.isalnum() for value in passwords.values())


def test_a_store_of_an_earlier_release_is_read_and_then_completed(store):
    store.ensure(estate())
    held = store._opened(store.vault)
    later = ("crm_access_secret", "crm_card_keys", "crm_load_key", "crm_subscriber_key")
    for name in later:
        del held[f"secret_{name}"]
    store._seal(store.vault, held)
    assert [store.read().named(name) for name in later] == [""] * len(later)
    made = store.ensure(estate())
    assert len(base64.b64decode(made.crm_access_secret, validate=True)) == 32
    assert len(base64.b64decode(made.crm_card_keys.removeprefix("1:"), validate=True)) == 32
    assert made.crm_load_key.startswith("tws_")
    assert made.crm_subscriber_key.startswith("tws_")
    assert made.crm_subscriber_key != made.crm_load_key
    assert store.ensure(estate()) == made


def test_concurrent_first_calls_agree(store):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: store.ensure(estate()), range(4)))
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize("lost", ["ca.pem", "operator.key", "operator.pem", "id_ed25519.pub"])
def test_a_lost_copy_is_written_again(store, lost):
    store.ensure(estate())
    before = files(store)
    (store.directory / lost).unlink()
    store.ensure(estate())
    assert files(store) == before


@pytest.mark.parametrize("reached", ["vault-password", "authority.vault.yml", "vault.yml"])
def test_a_first_call_that_was_killed_is_completed_by_the_next(store, reached, monkeypatch):
    """Stops after each durable step; what was written then is kept."""
    real = Path.rename

    def rename_and_die(self, target):
        result = real(self, target)
        if Path(target).name == reached:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename_and_die)
        with pytest.raises(KeyboardInterrupt):
            store.ensure(estate())
    kept = files(store)
    store.ensure(estate())
    assert kept.items() <= files(store).items()
    assert store.read().host_certificates.keys() == HOSTS.keys()


def test_a_half_written_file_does_no_harm(store):
    store.directory.mkdir(parents=True)
    (store.directory / ".vault.yml.new").write_text("torn")
    assert store.ensure(estate()) == store.read()


def test_a_lost_vault_password_is_named_not_replaced(store):
    store.ensure(estate())
    store.vault_password.unlink()
    with pytest.raises(SecretsError, match="vault-password is gone"):
        store.ensure(estate())


def test_an_empty_store_says_what_makes_it(store):
    with pytest.raises(SecretsError, match="twinsite lab up"):
        store.read()


def test_a_wrong_vault_password_is_said(store):
    store.ensure(estate())
    store.vault_password.write_text("another")
    with pytest.raises(SecretsError, match="does not open"):
        store.read()


def test_one_secret_by_its_name(store):
    made = store.ensure(estate())
    assert made.named("monitor_password") == made.named("secret_monitor_password") == made.monitor_password
    with pytest.raises(SecretsError, match="known: postgres_password"):
        made.named("host_certificates")


@pytest.mark.safety
def test_secrets_are_not_shown_by_accident(store):
    made = store.ensure(estate())
    assert made.postgres_password not in repr(made)
