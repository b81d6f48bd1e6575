"""What must stay secret: made at first use, kept outside the repository, never changed once made.

One inventory has one store: a directory of mode 0700. Four files hold the state, each written whole or not
at all:

    vault-password        opens the two vaults; may be moved to a safer place and linked here
    vault.yml             Ansible Vault: the variables `secret_*` that the playbooks read
    authority.vault.yml   Ansible Vault: the certification authority with its key; no playbook reads it
    id_ed25519            the operator's SSH key

The others (ca.pem, operator.pem, operator.key, id_ed25519.pub) are copies for clients, made when missing.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from infra.pki import Credential, make_authority
from infra.secret_values import (
    Secrets,
    SecretsError,
    certificate_requests,
    completed,
    new_password,
    secrets_from,
)
from infra.topology import Estate
from infra.vault import VaultError, open_sealed, seal


@dataclass(frozen=True)
class SecretStore:
    """The files of one inventory's secrets."""

    directory: Path

    @property
    def vault_password(self) -> Path:
        return self.directory / "vault-password"

    @property
    def vault(self) -> Path:
        return self.directory / "vault.yml"

    @property
    def authority(self) -> Path:
        return self.directory / "authority.vault.yml"

    @property
    def ssh_key(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def ssh_public_key(self) -> Path:
        return self.directory / "id_ed25519.pub"

    @property
    def ca_certificate(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def operator_certificate(self) -> Path:
        return self.directory / "operator.pem"

    @property
    def operator_key(self) -> Path:
        return self.directory / "operator.key"

    def read(self) -> Secrets:
        """What the store holds.

        Raises:
            SecretsError: it was never filled, or cannot be opened.
        """
        try:
            return secrets_from(self._opened(self.vault))
        except KeyError as missing:
            raise SecretsError(
                f"{self.vault} lacks {missing}; `twinsite provision` completes it"
            ) from missing

    def ensure(self, estate: Estate) -> Secrets:
        """Make what is missing and leave the rest as it is; may be called by several processes at once.

        A host's certificate is made again only when it no longer fits: the host's address is another, or the
        certificate is near its end.

        Raises:
            SecretsError: the store exists but cannot be opened.
        """
        with self._locked():
            if not self.vault_password.exists():
                self._refuse_orphans()
                _write(self.vault_password, new_password())
            if not self.authority.exists():
                made = make_authority(f"twinsite {estate.name}")
                self._seal(self.authority, {"certificate": made.certificate, "key": made.key})
            authority = Credential(**self._opened(self.authority))
            held = self._opened(self.vault) if self.vault.exists() else {}
            complete = completed(held, authority, certificate_requests(estate))
            if complete != held:
                self._seal(self.vault, complete)
            self._write_copies(secrets_from(complete))
        return secrets_from(complete)

    def _refuse_orphans(self) -> None:
        for sealed in (self.vault, self.authority):
            if sealed.exists():
                raise SecretsError(
                    f"{sealed} exists, but its password {self.vault_password} is gone; put it back, "
                    f"or remove {self.directory} and provision with new secrets"
                )

    def _write_copies(self, secrets: Secrets) -> None:
        if not self.ssh_key.exists():
            _write(self.ssh_key, _new_ssh_key())
        for path, text in (
            (self.ssh_public_key, _ssh_public_key(self.ssh_key.read_bytes())),
            (self.ca_certificate, secrets.ca_certificate),
            (self.operator_certificate, secrets.operator_certificate),
            (self.operator_key, secrets.operator_key),
        ):
            if not path.exists() or path.read_text() != text:
                _write(path, text)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            lock = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as error:
            raise SecretsError(
                f"{self.directory} cannot be written by this user; set TWINSITE_HOME or be root"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _seal(self, path: Path, content: Mapping[str, Any]) -> None:
        plain = yaml.safe_dump(dict(content), sort_keys=True, default_flow_style=False)
        _write(path, seal(plain, self.vault_password.read_text().strip()))

    def _opened(self, path: Path) -> dict[str, Any]:
        try:
            plain = open_sealed(path.read_bytes(), self.vault_password.read_text().strip())
        except FileNotFoundError as error:
            raise SecretsError(
                f"{error.filename} does not exist; `twinsite lab up` or `twinsite provision` makes it"
            ) from error
        except PermissionError as error:
            raise SecretsError(
                f"{error.filename} is not for this user; be root or set TWINSITE_HOME"
            ) from error
        except VaultError as error:
            raise SecretsError(f"{path} does not open with {self.vault_password}") from error
        held: dict[str, Any] = yaml.safe_load(plain)
        return held


def _new_ssh_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _ssh_public_key(private: bytes) -> str:
    public = load_ssh_private_key(private, password=None).public_key()
    return f"{public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} twinsite-operator\n"


def _write(path: Path, text: str) -> None:
    """Replace a file at once (mode 0600): after a crash it is there whole, or as it was before."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
