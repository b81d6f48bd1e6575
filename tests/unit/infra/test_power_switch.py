"""A power switch says that a host is off only when it has looked, and knows its own site only."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from infra import power_switch
from infra.faults import Fault, PowerCut
from infra.power_switch import Answer, Switch
from infra.topology import Estate
from tests.unit.infra.test_faults import estate  # noqa: F401 - a fixture


class Machine:
    def __init__(self, lab: Lab, name: str) -> None:
        self._lab, self._name = lab, name

    @property
    def is_on(self) -> bool:
        self._lab.looks += 1
        return self._name not in self._lab.off and self._lab.looks > self._lab.slow


class Lab:
    """A lab of switches only; a `stubborn` host survives its power cut, a `slow` one is seen on late."""

    def __init__(self, estate: Estate, stubborn: str = "", slow: int = 0) -> None:  # noqa: F811
        self.estate, self.stubborn, self.slow, self.looks = estate, stubborn, slow, 0
        self.off: set[str] = set()

    def machine(self, host: str) -> Machine:
        return Machine(self, host)

    def inject(self, faults: tuple[Fault, ...]) -> None:
        self.off |= {host for fault in faults if isinstance(fault, PowerCut) for host in fault.hosts}
        self.off -= {self.stubborn}

    def heal(self, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
        self.off -= {host for fault in faults if isinstance(fault, PowerCut) for host in fault.hosts}
        return faults


def test_it_turns_off_and_on_and_looks(estate: Estate) -> None:  # noqa: F811
    switch = Switch(Lab(estate), "a")

    assert switch.turn("a-db", "off") == switch.look("a-db") == Answer(HTTPStatus.OK, "off")
    assert switch.turn("a-db", "on") == switch.look("a-db") == Answer(HTTPStatus.OK, "on")


def test_it_waits_for_the_first_process_of_a_host_that_was_turned_on(estate: Estate) -> None:  # noqa: F811
    lab = Lab(estate, slow=3)
    lab.off.add("a-db")

    assert Switch(lab, "a").turn("a-db", "on") == Answer(HTTPStatus.OK, "on")


@pytest.mark.parametrize(
    ("host", "wanted", "status"),
    [
        ("b-db", "off", HTTPStatus.NOT_FOUND),
        ("nobody", "off", HTTPStatus.NOT_FOUND),
        ("a-db", "of", HTTPStatus.BAD_REQUEST),
    ],
)
def test_what_it_cannot_do_it_refuses(estate: Estate, host: str, wanted: str, status: HTTPStatus) -> None:  # noqa: F811
    lab = Lab(estate)

    assert Switch(lab, "a").turn(host, wanted).status is status
    assert not lab.off


@pytest.mark.safety
def test_a_host_that_survives_is_not_called_off(
    estate: Estate,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(power_switch, "TAKES_EFFECT_WITHIN_S", 0.1)
    answer = Switch(Lab(estate, stubborn="a-db"), "a").turn("a-db", "off")

    assert answer == Answer(HTTPStatus.CONFLICT, "a-db is on")
