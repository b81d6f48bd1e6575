"""What is pure of webhooks: addresses, signatures, the schedule of attempts, what an answer means."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.webhooks import schedule
from app.webhooks.addresses import AddressRefusedError, Guard
from app.webhooks.sending import Fate, fate_of
from app.webhooks.signing import OVERLAP, Secrets, headers

SUBSCRIPTION = UUID("0198c0de-0000-7000-8000-000000000001")
MASTER = base64.b64encode(bytes(range(32))).decode()
OPEN, INSIDE = Guard(), Guard.of("10.20.0.0/16, fd00::/8")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
        "224.0.0.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::1", "2001:0:a00:1::1",
    ],
)  # fmt: skip
def test_addresses_of_our_own_are_refused_also_in_disguise(address):
    assert not OPEN.allows(ip_address(address), encrypted=True)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1"])
def test_the_world_is_reached_encrypted_only(address):
    assert OPEN.allows(ip_address(address), encrypted=True)
    assert not OPEN.allows(ip_address(address), encrypted=False)


def test_trusted_networks_are_reached_in_clear_too():
    for address in ("10.20.3.4", "fd00::5", "::ffff:10.20.3.4"):
        assert INSIDE.allows(ip_address(address), encrypted=False)
    assert not INSIDE.allows(ip_address("10.21.0.1"), encrypted=True)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "https:///path", "https://user:word@example.org/", "https://example.org:0/",
        "https://example.org:99999/", "https://127.0.0.1/", "https://[::1]/", "http://example.org/",
        "https://example.org/#part", "https://[1::", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_a_bad_address_is_refused_at_once(url):
    with pytest.raises(AddressRefusedError):
        OPEN.check_url(url)


def test_only_what_is_allowed_of_a_name_is_chosen():
    assert INSIDE.choose(["10.0.0.1", "10.20.0.1"], encrypted=False) == ["10.20.0.1"]
    with pytest.raises(AddressRefusedError):
        INSIDE.choose(["10.0.0.1"], encrypted=True)


def test_a_signature_is_what_the_specifications_library_accepts():
    secret = Secrets(MASTER).secret(SUBSCRIPTION, 1)
    signed = headers([secret], SUBSCRIPTION, datetime.now(UTC), '{"имя": 1}'.encode())
    assert Webhook(secret).verify('{"имя": 1}'.encode(), signed) == {"имя": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(b'{"a": 2}', signed)


def test_secrets_differ_by_subscription_and_number_and_are_the_same_on_every_host():
    made = {Secrets(MASTER).secret(UUID(int=id_), number) for id_ in (1, 2) for number in (1, 2)}
    assert len(made) == 4
    assert made == {Secrets(MASTER).secret(UUID(int=id_), number) for id_ in (1, 2) for number in (1, 2)}


def test_the_secret_before_signs_for_a_day_more():
    secrets = Secrets(MASTER)
    at = datetime.now(UTC)  # the library takes what is minutes old for a replay
    both = secrets.current(SUBSCRIPTION, 2, at, at + OVERLAP / 2)
    assert both == [secrets.secret(SUBSCRIPTION, 2), secrets.secret(SUBSCRIPTION, 1)]
    signed = headers(both, SUBSCRIPTION, at, b"{}")
    for secret in both:
        assert Webhook(secret).verify(b"{}", signed) == {}
    assert len(secrets.current(SUBSCRIPTION, 2, at, at + OVERLAP)) == 1


def test_waits_grow_and_end_in_a_dead_letter():
    waits = [schedule.retry_after(attempts, 0) for attempts in range(1, schedule.ATTEMPTS)]
    assert waits == sorted(waits)
    assert timedelta(hours=24) < sum(waits, timedelta()) < timedelta(hours=48)
    assert schedule.retry_after(schedule.ATTEMPTS, 0) is None
    assert schedule.retry_after(1, 1) == schedule.retry_after(1, 0) * 1.2
    holds = [schedule.hold(failures, 0) for failures in range(1, 20)]
    assert holds == sorted(holds)
    assert holds[-1] == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.DELIVERED), (204, Fate.DELIVERED), (302, Fate.FAILED), (400, Fate.FAILED),
        (410, Fate.GONE), (429, Fate.UNREACHED), (503, Fate.UNREACHED),
    ],
)  # fmt: skip
def test_what_an_answer_means(status, fate):
    assert fate_of(status) is fate
