"""The demotion budget, computed from what runs and not from what was asked for (decision 0201)."""

from __future__ import annotations

import socket
import ssl

import pytest
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError

from tests.lab.provisioning.conftest import hosts_of

pytestmark = pytest.mark.lab

ENSEMBLE = hosts_of("zookeeper")
DATABASES = hosts_of("postgresql")

# Constants of Patroni 4.1's source. A request that hangs: kazoo's read timeout as Patroni sets it,
# max(loop_wait - 2, 2). Failsafe: POST /failsafe with 2 s and one retry. Stop: polled once a second.
HUNG_REQUEST_S = 2
FAILSAFE_S = 4
STOP_POLLING_S = 1


def four_letter_word(provisioned, host: str, word: str, *, certificate: bool = True) -> str:
    context = provisioned.tls(certificate=certificate)
    context.check_hostname = False
    with (
        socket.create_connection((provisioned.address(host), 2181), timeout=30) as plain,
        context.wrap_socket(plain) as secured,
    ):
        secured.sendall(word.encode())
        answer = b""
        while part := secured.recv(65536):
            answer += part
    return answer.decode()


def configuration(provisioned, host: str) -> dict[str, str]:
    lines = four_letter_word(provisioned, host, "conf").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture(scope="module")
def patroni(provisioned):
    with provisioned.client() as client:
        return client.get(f"https://{provisioned.address(DATABASES[0])}:8008/config").json()


@pytest.mark.parametrize("host", ENSEMBLE)
def test_an_isolated_primary_stops_before_its_lease_ends(provisioned, patroni, host):
    zookeeper = configuration(provisioned, host)
    stale_reads = int(zookeeper["syncLimit"]) * int(zookeeper["tickTime"]) / 1000
    stop = STOP_POLLING_S + 2 * patroni["primary_stop_timeout"]
    failsafe = FAILSAFE_S if patroni["failsafe_mode"] else 0
    budget = stale_reads + patroni["loop_wait"] + patroni["retry_timeout"] + HUNG_REQUEST_S + failsafe + stop
    assert patroni["primary_stop_timeout"] > 0
    assert budget < patroni["ttl"]


def test_patroni_does_not_lower_its_own_timeouts(patroni):
    """Below these minimums it would, without an error (patroni/config.py)."""
    assert patroni["ttl"] >= 20
    assert patroni["loop_wait"] >= 1
    assert patroni["retry_timeout"] >= 3
    assert patroni["loop_wait"] + 2 * patroni["retry_timeout"] <= patroni["ttl"]


def session_on(provisioned, host: str, timeout_s: float, **access: object) -> KazooClient:
    return KazooClient(f"{provisioned.address(host)}:2181", timeout=timeout_s, **access)


@pytest.fixture
def operator(provisioned) -> dict[str, object]:
    store = provisioned.store
    return {
        "use_ssl": True,
        "ca": str(store.ca_certificate),
        "certfile": str(store.operator_certificate),
        "keyfile": str(store.operator_key),
    }


@pytest.mark.parametrize("host", ENSEMBLE)
def test_every_server_grants_a_session_as_long_as_the_lease(provisioned, patroni, operator, host):
    client = session_on(provisioned, host, patroni["ttl"], **operator)
    client.start(timeout=60)
    try:
        assert client._session_timeout >= patroni["ttl"] * 1000
    finally:
        client.stop()
        client.close()


@pytest.mark.parametrize("host", ENSEMBLE)
def test_no_session_without_tls_and_none_without_a_certificate(provisioned, operator, host):
    for access in ({}, {"use_ssl": True, "ca": operator["ca"]}):
        client = session_on(provisioned, host, 2, **access)
        with pytest.raises(KazooTimeoutError):
            client.start(timeout=2)
        client.close()


def test_four_letter_words_need_a_certificate(provisioned):
    """TLS 1.3 tells of the missing certificate only when the client reads; some answers are just silence."""
    try:
        answer = four_letter_word(provisioned, ENSEMBLE[0], "srvr", certificate=False)
    except (ssl.SSLError, ConnectionError):
        answer = ""
    assert answer == ""
