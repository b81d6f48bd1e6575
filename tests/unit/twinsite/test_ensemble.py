"""The guards of recover-quorum: a host that answers, a word that is missing, and who may begin empty."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import pytest

from failover.actuators.ports import EffectRefusedError
from infra.paths import CHECKOUT
from infra.topology import Host
from twinsite.context import Context
from twinsite.ports import ensemble
from twinsite.ports.ensemble import Ensemble, Word, answers

pytestmark = pytest.mark.safety

REAL = Context(CHECKOUT / "inventory" / "example")


def host(address: str) -> Host:
    known = REAL.estate.hosts_with_role("zookeeper")[0]
    return Host(**{**vars(known), "address": IPv4Address(address)})


def silence(monkeypatch: pytest.MonkeyPatch, *, speaking: str = "") -> None:
    monkeypatch.setattr(ensemble, "answers", lambda each: each.name == speaking)


def test_a_kernel_that_refuses_is_alive() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        assert answers(host("127.0.0.1"))


def test_a_host_that_answers_disproves_any_word(monkeypatch) -> None:
    survivor, *others = REAL.estate.hosts_with_role("zookeeper")
    stranger = next(each for each in others if each.site != survivor.site)
    silence(monkeypatch, speaking=stranger.name)

    with pytest.raises(EffectRefusedError, match=f"{stranger.name} answers"):
        Ensemble(REAL, Word("anna", "power is cut"), print).assert_others_off(survivor=survivor.site)


def test_silence_alone_proves_nothing_and_a_word_stands_in_the_evidence(monkeypatch) -> None:
    site = REAL.estate.hosts_with_role("zookeeper")[0].site
    silence(monkeypatch)

    with pytest.raises(EffectRefusedError, match="--others-are-off"):
        Ensemble(REAL, None, print).assert_others_off(survivor=site)
    spoken = Ensemble(REAL, Word("anna", "power is cut"), print)
    assert "anna vouches that all are off: power is cut" in spoken.assert_others_off(survivor=site)
    assert spoken.others_off


class Grown(Ensemble):
    """Notes what Ansible would be told."""

    def __init__(self, knowing: list[str]) -> None:
        super().__init__(REAL, None, print)
        self.knowing, self.told = knowing, []

    def members(self) -> list[str]:
        return self.knowing

    def _run(self, members: list[str], *, fresh: list[str]) -> str:
        self.told.append((tuple(members), tuple(fresh)))
        return "done"


def test_those_who_know_are_the_majority_at_every_step_of_the_way_back() -> None:
    names = [each.name for each in REAL.estate.hosts_with_role("zookeeper")]
    grown = Grown(names[:2])

    grown.restore()

    assert [len(members) for members, _ in grown.told] == [3, 5]
    for members, fresh in grown.told:
        assert len(members) - len(fresh) > len(members) // 2
    assert set(grown.told[-1][0]) == set(names)
