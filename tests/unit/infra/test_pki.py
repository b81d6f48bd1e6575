from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from infra.pki import CertificateRequest, Credential, covered_names, issue, make_authority, still_serves

DB1 = CertificateRequest("dc1-db1", ("dc1-db1", "localhost"), ("10.77.1.21", "127.0.0.1"))


@pytest.fixture(scope="module")
def authority():
    return make_authority("twinsite test")


def parsed(credential: Credential) -> x509.Certificate:
    return x509.load_pem_x509_certificate(credential.certificate.encode())


def verified(credential: Credential, authority: Credential, name: str):
    builder = PolicyBuilder().store(Store([parsed(authority)]))
    return builder.build_server_verifier(x509.DNSName(name)).verify(parsed(credential), [])


@pytest.mark.safety
def test_a_certificate_chains_to_its_authority_under_its_own_name_only(authority):
    made = issue(authority, DB1)
    assert verified(made, authority, "dc1-db1")[-1] == parsed(authority)
    with pytest.raises(VerificationError):
        verified(made, authority, "dc1-db2")
    with pytest.raises(VerificationError):
        verified(made, make_authority("a stranger"), "dc1-db1")


def test_a_host_is_server_and_client(authority):
    usage = parsed(issue(authority, DB1)).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


@pytest.mark.safety
def test_a_certificate_covers_names_and_addresses_and_nothing_else(authority):
    assert covered_names(issue(authority, DB1)) == {"dc1-db1", "localhost", "10.77.1.21", "127.0.0.1"}
    assert covered_names(issue(authority, CertificateRequest("operator"))) == set()


def test_keys_are_p256_and_differ(authority):
    one, other = issue(authority, DB1), issue(authority, DB1)
    key = parsed(one).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert one.key != other.key


def test_a_certificate_serves_until_an_address_moves_or_its_end_is_near(authority):
    made = issue(authority, DB1)
    assert still_serves(made, DB1)
    assert not still_serves(made, CertificateRequest("dc1-db1", ("dc1-db1",), ("10.77.1.99",)))
    assert not still_serves(made, DB1, now=datetime.now(UTC) + timedelta(days=800))


@pytest.mark.safety
def test_a_key_is_not_shown_by_accident(authority):
    assert "PRIVATE" not in repr(authority)
