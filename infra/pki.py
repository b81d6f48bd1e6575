"""The estate's own certification authority: ECDSA P-256 certificates as PEM text; writes no file."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 825
# Clocks of two hosts may differ; a certificate made a second ago must already hold on the slower one.
BACKDATE = timedelta(hours=1)
RENEW_BEFORE = timedelta(days=60)

_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Credential:
    """A certificate and its private key (PKCS#8, not encrypted), both PEM text."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class CertificateRequest:
    """Who a certificate is for: its common name and what clients may call it by."""

    subject: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def make_authority(common_name: str, *, now: datetime | None = None) -> Credential:
    """A new self-signed authority that may sign hosts and clients, but no further authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(common_name)
    certificate = (
        _builder(subject, subject, key.public_key(), now or datetime.now(UTC), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _credential(certificate, key)


def issue(authority: Credential, request: CertificateRequest, *, now: datetime | None = None) -> Credential:
    """A certificate for a server that is also a client of its peers, signed by the authority."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    issuer_key = _private_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(request.subject)
    builder = (
        _builder(subject, issuer.subject, key.public_key(), now or datetime.now(UTC), CERTIFICATE_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage("digital_signature"), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if request.names or request.addresses:
        builder = builder.add_extension(_alternative_names(request), critical=False)
    return _credential(builder.sign(issuer_key, hashes.SHA256()), key)


def still_serves(credential: Credential, request: CertificateRequest, *, now: datetime | None = None) -> bool:
    """Whether a certificate covers everything that is asked for and is not about to expire."""
    certificate = x509.load_pem_x509_certificate(credential.certificate.encode())
    if certificate.not_valid_after_utc - (now or datetime.now(UTC)) < RENEW_BEFORE:
        return False
    covered = covered_names(credential)
    return {*request.names, *request.addresses} <= covered


def covered_names(credential: Credential) -> frozenset[str]:
    """The host names and addresses that a certificate speaks for."""
    certificate = x509.load_pem_x509_certificate(credential.certificate.encode())
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(address) for address in held.get_values_for_type(x509.IPAddress))
    return frozenset((*held.get_values_for_type(x509.DNSName), *addresses))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*granted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in granted for name in _KEY_USAGES})


def _alternative_names(request: CertificateRequest) -> x509.SubjectAlternativeName:
    names = [x509.DNSName(name) for name in request.names]
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in request.addresses]
    return x509.SubjectAlternativeName([*names, *addresses])


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _credential(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Credential:
    return Credential(
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )
