"""The secrets of an estate as values: what there is, what is missing, what it is called in Ansible."""

from __future__ import annotations

import base64
import secrets as randomness
import string
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from infra.pki import CertificateRequest, Credential, issue, still_serves
from infra.topology import Estate, SiteKind

PREFIX = "secret_"
OPERATOR = "operator"
PASSWORD_LENGTH = 32
# keepalived reads no more than eight characters of a VRRP password.
_SHORT_PASSWORDS = {"keepalived_password": 8}


class SecretsError(Exception):
    """The store is missing, unreadable or incomplete; the message says what to do."""


@dataclass(frozen=True, repr=False)
class Secrets:
    """Everything that `vault.yml` holds. A field `x` is the Ansible variable `secret_x`.

    A field named `…_password` is filled with random text where the store has none: a new one needs only a
    line here.
    """

    postgres_password: str
    replicator_password: str
    rewind_password: str
    crm_owner_password: str
    crm_app_password: str
    crm_audit_password: str
    monitor_password: str
    patroni_rest_password: str
    agent_pool_password: str
    keepalived_password: str
    ca_certificate: str
    operator_certificate: str
    operator_key: str
    host_certificates: Mapping[str, Credential]
    # Empty in a store that was filled before they were thought of; `twinsite provision` completes it.
    crm_access_secret: str = ""
    crm_card_keys: str = ""
    crm_load_key: str = ""
    crm_subscriber_key: str = ""

    @classmethod
    def texts(cls) -> tuple[str, ...]:
        """The names of the secrets that are one text each."""
        return tuple(each.name for each in fields(cls) if each.name != "host_certificates")

    def named(self, name: str) -> str:
        """The text of one secret, by its field's or its Ansible variable's name.

        Raises:
            SecretsError: no single text goes by that name.
        """
        wanted = name.removeprefix(PREFIX)
        if wanted not in self.texts():
            raise SecretsError(f"no secret is called {name!r}; known: {', '.join(self.texts())}")
        text: str = getattr(self, wanted)
        return text


def certificate_requests(estate: Estate) -> dict[str, CertificateRequest]:
    """What each host's certificate must speak for; an application host answers for its site's entry too."""
    requests = {}
    for host in estate.booting_hosts:
        addresses = [str(host.address), "127.0.0.1"]
        entry = estate.site(host.site).entry_address
        if entry and "application" in host.roles:
            addresses.append(str(entry))
        requests[host.name] = CertificateRequest(host.name, (host.name, "localhost"), tuple(addresses))
    return requests | _power_switches(estate)


def power_switch_name(site: str) -> str:
    """What a site's power switch is called in its certificate."""
    return f"power-{site}"


def _power_switches(estate: Estate) -> dict[str, CertificateRequest]:
    """The lab has a switch at each data site; a real estate's controllers bring certificates of their own."""
    sites = [site for site in estate.sites.values() if site.kind is SiteKind.DATA and estate.links]
    named = [(power_switch_name(site.name), str(site.gateway)) for site in sites]
    return {name: CertificateRequest(name, (name,), (address,)) for name, address in named}


def completed(
    held: Mapping[str, Any], authority: Credential, requests: Mapping[str, CertificateRequest]
) -> dict[str, Any]:
    """What the vault holds plus what it lacks. Hosts that left the inventory keep their certificates."""
    certificates = dict(held.get("secret_host_certificates", {}))
    for name, request in requests.items():
        certificates[name] = _served(certificates.get(name), authority, request)
    operator = {key: held.get(f"secret_operator_{key}", "") for key in ("certificate", "key")}
    operator = _served(operator if operator["key"] else None, authority, CertificateRequest(OPERATOR))
    return {
        **new_values(),
        **held,
        "secret_ca_certificate": authority.certificate,
        "secret_operator_certificate": operator["certificate"],
        "secret_operator_key": operator["key"],
        "secret_host_certificates": certificates,
    }


def new_password(length: int = PASSWORD_LENGTH) -> str:
    """Random letters and digits: safe unquoted in every configuration file, URL and command line."""
    return "".join(randomness.choice(string.ascii_letters + string.digits) for _ in range(length))


def new_values() -> dict[str, str]:
    """What can be made without knowing the estate, by Ansible variable."""
    return _new_passwords() | {PREFIX + name: make() for name, make in _FORMED.items()}


def _access_secret() -> str:
    """32 bytes in base64: what the API encrypts signing keys with (app/settings.py)."""
    return base64.b64encode(randomness.token_bytes(32)).decode()


def _card_keys() -> str:
    """A ring with one key, version 1, in the form of docs/crm-cards.md."""
    return f"1:{base64.b64encode(randomness.token_bytes(32)).decode()}"


def _service_key() -> str:
    """The form of the API's service keys (docs/crm-access.md)."""
    return f"tws_{randomness.token_urlsafe(32)}"


# Secrets of a form of their own.
_FORMED = {
    "crm_access_secret": _access_secret,
    "crm_card_keys": _card_keys,
    "crm_load_key": _service_key,
    "crm_subscriber_key": _service_key,
}


def _new_passwords() -> dict[str, str]:
    names = [each.name for each in fields(Secrets) if each.name.endswith("_password")]
    return {PREFIX + name: new_password(_SHORT_PASSWORDS.get(name, PASSWORD_LENGTH)) for name in names}


def _served(
    present: dict[str, str] | None, authority: Credential, request: CertificateRequest
) -> dict[str, str]:
    """The certificate that is there if it still fits, else a new one."""
    if present and still_serves(Credential(**present), request):
        return present
    made = issue(authority, request)
    return {"certificate": made.certificate, "key": made.key}


def secrets_from(held: Mapping[str, Any]) -> Secrets:
    """The typed reading of a vault's content.

    Raises:
        KeyError: a variable is missing.
    """
    texts = {
        each.name: held.get(PREFIX + each.name, "") if each.name in _FORMED else held[PREFIX + each.name]
        for each in fields(Secrets)
    }
    hosts = {name: Credential(**pair) for name, pair in texts.pop("host_certificates").items()}
    return Secrets(**texts, host_certificates=hosts)
