"""What the actuators make of Patroni's answers and of a power switch's."""

import json
import ssl
import threading

import httpx
import pytest

from failover.actuators.fencing import CommandFencing, NoFencing
from failover.actuators.patroni import Patroni, RestAccess
from failover.actuators.ports import EffectRefusedError, EffectUnknownError, Guarantee
from failover.command import CommandFailedError, Ended


def patroni(answer) -> Patroni:
    access = RestAccess(ssl.create_default_context(), "patroni", "secret")
    transport = httpx.MockTransport(answer)
    addresses = {"dc1-db1": "192.0.2.1", "dc2-db1": "192.0.2.2"}
    return Patroni(access, addresses, transport)


def test_a_promotion_is_asked_of_the_candidate_by_name() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), json.loads(request.content), request.headers["authorization"][:5]))
        return httpx.Response(200, text="Successfully failed over")

    patroni(answer).force_failover(candidate="dc2-db1")

    assert asked == [("https://192.0.2.2:8008/failover", {"candidate": "dc2-db1"}, "Basic")]


def test_an_answer_that_takes_long_means_that_patroni_is_at_work() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    assert "works on" in patroni(answer).force_failover(candidate="dc2-db1")
    with pytest.raises(EffectUnknownError):
        patroni(answer).reinitialize(host="dc2-db1")


@pytest.mark.parametrize(
    ("status", "error"), [(412, EffectRefusedError), (403, EffectRefusedError), (503, EffectUnknownError)]
)
def test_refusals_and_failures_are_told_apart(status, error) -> None:
    asked = patroni(lambda _: httpx.Response(status, text="no good candidates"))
    with pytest.raises(error, match=f"{status} no good candidates"):
        asked.force_failover(candidate="dc2-db1")


def test_no_connection_means_that_nothing_was_done() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(EffectRefusedError, match="no connection"):
        patroni(answer).force_failover(candidate="dc2-db1")


class Switch:
    """A power switch: `open` lets its commands end, `code` is how."""

    def __init__(self, code: int = 0) -> None:
        self.open = threading.Event()
        self.code = code
        self.commands: list[tuple[str, ...]] = []

    def __call__(self, argv, within_s: float) -> Ended:
        assert within_s > 0
        self.commands.append(tuple(argv))
        if not self.open.wait(5.0):
            raise CommandFailedError("never ended")
        return Ended(self.code, "ok")


def fencing(switch: Switch) -> CommandFencing:
    return CommandFencing(
        off=("power", "off", "{host}"),
        on=("power", "on", "{host}"),
        guarantee=Guarantee.CERTAIN,
        run=switch,
        budget_s=0.0,
    )


def test_a_slow_switch_holds_nothing_up_and_is_confirmed_later() -> None:
    switch = Switch()
    driver = fencing(switch)

    with pytest.raises(EffectUnknownError, match="still under way"):
        driver.fence("dc1-db1")
    assert not driver.fenced("dc1-db1")
    switch.open.set()
    driver.confirm("dc1-db1")

    assert driver.fenced("dc1-db1")
    assert switch.commands == [("power", "off", "dc1-db1")]


def test_a_switch_that_failed_is_tried_again() -> None:
    switch = Switch(code=1)
    switch.open.set()
    driver = fencing(switch)

    with pytest.raises(EffectUnknownError):
        driver.confirm("dc1-db1")
    switch.code = 0
    driver.confirm("dc1-db1")
    assert len(switch.commands) == 2
    driver.unfence("dc1-db1")
    assert switch.commands[-1] == ("power", "on", "dc1-db1")


def test_a_host_that_could_not_be_given_power_counts_as_off_still() -> None:
    switch = Switch()
    switch.open.set()
    driver = fencing(switch)
    driver.confirm("dc1-db1")

    switch.code = 1
    with pytest.raises(EffectUnknownError, match="exit status 1"):
        driver.unfence("dc1-db1")
    assert driver.fenced("dc1-db1")

    switch.code = 0
    driver.unfence("dc1-db1")
    assert not driver.fenced("dc1-db1")


@pytest.mark.safety
def test_no_driver_promises_nothing_and_says_so() -> None:
    assert NoFencing().guarantee is Guarantee.NOTHING
    assert "may still run" in NoFencing().fence("dc1-db1")
    with pytest.raises(EffectRefusedError, match="unknown"):
        NoFencing().confirm("dc1-db1")


def test_a_fencing_command_is_told_the_host_and_its_site() -> None:
    switch = Switch()
    switch.open.set()
    driver = CommandFencing(
        off=("power", "{site}/{host}"),
        on=("power", "on"),
        guarantee=Guarantee.CERTAIN,
        run=switch,
        sites={"dc1-db1": "dc1"},
    )

    driver.confirm("dc1-db1")

    assert switch.commands == [("power", "dc1/dc1-db1")]
