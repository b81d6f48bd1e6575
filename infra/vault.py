"""Ansible Vault, in this process: text sealed with a password as `ansible-vault` does it."""

from __future__ import annotations


class VaultError(Exception):
    """The text does not open with this password."""


# Ansible is imported where it is used: it takes a quarter of a second and reads the ansible.cfg of the
# working directory, which a command that needs no secret should not pay for.


def seal(plain: str, password: str) -> str:
    from ansible.parsing.vault import VaultLib, VaultSecret  # noqa: PLC0415

    secret = VaultSecret(password.encode())
    sealed: bytes = VaultLib([("default", secret)]).encrypt(plain, secret)
    return sealed.decode()


def open_sealed(sealed: bytes, password: str) -> str:
    """The text that was sealed.

    Raises:
        VaultError: another password sealed it, or it was damaged.
    """
    from ansible.parsing.vault import AnsibleVaultError, VaultLib, VaultSecret  # noqa: PLC0415

    try:
        plain: bytes = VaultLib([("default", VaultSecret(password.encode()))]).decrypt(sealed)
    except AnsibleVaultError as error:
        raise VaultError(str(error)) from error
    return plain.decode()
