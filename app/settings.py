"""What an installation may set: one class, read once from the environment (prefix ``CRM_``).

``CRM_SITE=dc1`` sets `Settings.site`, and so on. docs/crm-api.md lists them for operators.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.cards.keys import CardKeys
from app.database.copies import Durability, Sites

Seconds = PositiveFloat
SECRET_BYTES = 32


class Authentication(StrEnum):
    REQUIRED = "required"
    TRUSTED_NETWORK = "trusted-network"


class Settings(BaseSettings):
    """Settings of one API process. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="CRM_", frozen=True)

    # Where we are. Site and host go into answers, logs and metrics.
    site: str = "dev"
    host: str = "localhost"
    listen: str = "127.0.0.1:8000"
    workers: PositiveInt = 2
    log_level: str = "INFO"

    # libpq connection strings or URLs. The primary route must lead to whichever node is primary now.
    database_url: SecretStr
    replica_url: SecretStr | None = None
    migration_url: SecretStr | None = None

    # One pool of this size per worker and route; two workers and small pools are fastest (facts.md).
    pool_min_size: PositiveInt = 2
    pool_max_size: PositiveInt = 8
    pool_max_waiting: PositiveInt = 64
    # Requests wait for the end of a planned switch instead of failing: longer than it may hold the pools
    # (5 s), and less than the deadline, so that what meets the end has time for its work.
    pool_wait_seconds: Seconds = 7.0
    pool_reconnect_seconds: Seconds = 0.2
    # So long from its beginning a request waits for a primary that was lost just now, and is repeated inside
    # the API (app/repetition.py); a primary that has been away for longer is not waited for. 0: never.
    primary_wait_seconds: NonNegativeFloat = 7.0
    # A session's lifetime spreads connections over the proxies again after one of them was away.
    pool_max_lifetime_seconds: Seconds = 1800.0

    # A request is answered within the deadline. A unit of work that has sent its COMMIT is given
    # `abandon_seconds` more to learn its outcome before its socket is shut.
    request_deadline_seconds: Seconds = 8.0
    abandon_seconds: Seconds = 30.0
    connect_seconds: Annotated[int, Field(ge=2, description="libpq rounds anything less up to 2")] = 2
    drain_seconds: NonNegativeFloat = 10.0

    # How often each route is asked who answers there; decides when writes are refused at once. A statement
    # that fails has it asked at once, so this is for hosts without requests.
    probe_seconds: Seconds = 0.5
    probe_timeout_seconds: Seconds = 1.0

    # Introduced step by step: `trusted-network` lets a request without a token act as a built-in principal.
    # Production sets `required` (docs/crm-access.md).
    authentication: Authentication = Authentication.TRUSTED_NETWORK
    # Encrypts signing keys and second factors at rest; the same on all hosts, 32 bytes in base64.
    access_secret: SecretStr | None = None

    # Requests a second and at once, of one person or system and one process; 0 limits nothing. And failed
    # proofs of identity a minute from one address, after which it is refused unheard for a while.
    person_requests_per_second: NonNegativeFloat = 50.0
    service_requests_per_second: NonNegativeFloat = 0.0
    request_burst: PositiveInt = 200
    failed_proofs_per_minute: NonNegativeFloat = 30.0

    # What a write is worth while no other site has a copy (decision 0402): `strict` refuses it, `available`
    # serves, marks and counts it, `unchecked` does not look. Next the sites of all database hosts, by member
    # name and by address: "dc1-db1=dc1 10.0.1.21=dc1 …"; and the file in which the host's agent keeps a gate.
    durability: Durability = Durability.UNCHECKED
    database_sites: str = ""
    write_gate: Path | None = None
    # While this file exists the host is held out of service: /health/ready says so, and the proxies drain it.
    held_file: Path | None = None
    # Where disclosures wait until the database has them; must survive a restart of the host. Without it, a
    # directory that goes with the process (development). So many may wait in a process before it shows
    # nothing more.
    audit_directory: str | None = None
    audit_backlog: PositiveInt = 20_000
    # Proxies whose X-Forwarded-For is believed: addresses, separated by commas.
    trusted_proxies: str = "127.0.0.1"

    # The worker (docs/crm-integration.md). Without ZooKeeper's servers it is elected by a lock in PostgreSQL.
    zookeeper: str | None = None
    zookeeper_ca: str | None = None
    zookeeper_certificate: str | None = None  # with its key, in one file
    worker_metrics_listen: str | None = None
    # Seal and find card numbers: `VERSION:KEY,…`, the first seals, all are valid (docs/crm-cards.md).
    card_keys: SecretStr | None = None
    # Mail (docs/crm-integration.md): addresses we take letters for, the first being the one we write from;
    # where the intake listens for LMTP; the mail server that takes ours, as HOST:PORT.
    mail_addresses: str = ""
    mail_listen: str = "127.0.0.1:2424"
    mail_metrics_listen: str | None = None
    smtp: str | None = None
    # How long a stream of events lasts before its client comes again, and proves again who it is; and how
    # many a process holds open, in all and for one person or system.
    stream_seconds: Seconds = 600.0
    streams_max: PositiveInt = 1000
    streams_of_one: PositiveInt = 10
    # Private networks in which subscribers to webhooks may stand: "10.20.0.0/16, …". Plain HTTP only there.
    webhook_networks: str = ""

    # So long after its closing a customer's message reopens a request; later, another one goes on for it.
    reopen_days: Annotated[int, Field(ge=0, le=3650)] = 14
    max_body_bytes: PositiveInt = 1_048_576
    # Files that one claim may hold, each of up to the size above.
    claim_documents: PositiveInt = 50
    metrics_directory: str | None = None

    @field_validator("webhook_networks")
    @classmethod
    def _networks_are_networks(cls, value: str) -> str:
        for part in filter(None, (part.strip() for part in value.split(","))):
            ip_network(part)
        return value

    @field_validator("listen", "mail_listen", "mail_metrics_listen", "smtp", "worker_metrics_listen")
    @classmethod
    def _listen_has_a_port(cls, value: str | None) -> str | None:
        if value is None:
            return None
        host, separator, port = value.rpartition(":")
        if not separator or not host or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004
            raise ValueError(f"{value!r}: expected ADDRESS:PORT to listen at, as in 0.0.0.0:8000")
        return value

    @model_validator(mode="after")
    def _required_needs_a_secret(self) -> Settings:
        if self.sign_in_required and self.access_secret is None:
            raise ValueError("access_secret is needed when authentication is required")
        return self

    @field_validator("database_sites")
    @classmethod
    def _sites_can_be_read(cls, value: str) -> str:
        Sites.parse(value)
        return value

    @model_validator(mode="after")
    def _durability_needs_sites(self) -> Settings:
        if self.durability is not Durability.UNCHECKED and not self.database_sites:
            raise ValueError("database_sites is needed when durability is checked")
        return self

    @field_validator("access_secret")
    @classmethod
    def _secret_is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if (
            value is not None
            and len(base64.b64decode(value.get_secret_value(), validate=True)) != SECRET_BYTES
        ):
            raise ValueError(f"access_secret: expected {SECRET_BYTES} bytes in base64")
        return value

    @field_validator("card_keys")
    @classmethod
    def _card_keys_are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            CardKeys.parse(value.get_secret_value())
        return value

    @property
    def cards(self) -> CardKeys | None:
        return None if self.card_keys is None else CardKeys.parse(self.card_keys.get_secret_value())

    @property
    def reopen_within(self) -> timedelta:
        return timedelta(days=self.reopen_days)

    @property
    def sign_in_required(self) -> bool:
        return self.authentication is Authentication.REQUIRED

    @classmethod
    def from_environment(cls) -> Settings:
        """Raises pydantic.ValidationError, whose `loc` names the variable without its prefix."""
        return cls.model_validate({})

    @property
    def listen_address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def migrations_dsn(self) -> str:
        """Where migrations connect; straight to PostgreSQL, as they need a session (no PgBouncer)."""
        return (self.migration_url or self.database_url).get_secret_value()
