"""Alarms begin once, end once, and reach the command even if it fails at first."""

import socket

import pytest

from failover.alarms import ATTEMPTS, QUIET_S, Alarm, Board, Cause, Herald, State, causes, to_journal
from failover.command import CommandFailedError, Ended
from failover.decide import History, Policy, decide
from failover.diagnosis import diagnose
from failover.exposure import Exposure
from failover.metrics import Figures, render
from failover.proof.scenery import Health, Scene, picture

CUT = Cause("L-01", "link-cut", "dc1-dc2", "neither sees the other")
ALARM = Alarm(State.FIRING, "L-01", "link-cut", "dc1-dc2", "neither\nsees", "wit-zk1")


def decision(scene: Scene):
    seen = picture(scene)
    return decide(seen, diagnose(seen), History(), Policy())


def test_an_alarm_is_told_when_it_begins_and_when_it_has_been_over_for_a_while():
    board = Board("wit-zk1")

    assert [alarm.state for alarm in board.update([CUT], 0.0)] == [State.FIRING]
    assert board.update([CUT], 1.0) == ()
    assert board.update([], 1.0 + QUIET_S) == ()
    assert board.update([CUT], 2.0 + QUIET_S) == ()
    assert [alarm.state for alarm in board.update([], 3.0 + 2 * QUIET_S)] == [State.RESOLVED]
    assert board.firing == ()


def test_out_of_office_alarms_are_anothers_to_end():
    board = Board("wit-zk1")
    board.update([CUT], 0.0)
    board.forget()

    assert board.update([], 100.0) == ()


def test_the_loss_of_a_primary_is_a_cause_and_a_healthy_estate_is_none():
    due = causes(decision(Scene().with_health(Health.OFF, "dc1-db1")))

    assert "P-03" in {cause.rule for cause in due}
    assert causes(decision(Scene())) == ()


class Command:
    def __init__(self, *ends) -> None:
        self.ends, self.ran = list(ends), []

    def __call__(self, argv, within_s):  # noqa: ARG002 - as the port has it
        self.ran.append(argv)
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


@pytest.mark.parametrize(
    ("ends", "delivered", "failed"),
    [
        ((Ended(0, ""),), 1, 0),
        ((Ended(7, "no network"), CommandFailedError("late"), Ended(0, "")), 1, 0),
        ((Ended(7, ""),) * ATTEMPTS, 0, 1),
    ],
)
def test_the_command_is_tried_some_times_and_counted(ends, delivered, failed):
    command = Command(*ends)
    herald = Herald(
        ("pager", "--text={line}", "{rule}"), command, journal=lambda _: None, sleep=lambda _: None
    )

    herald.deliver(ALARM)

    assert (herald.delivered, herald.failed) == (delivered, failed)
    assert command.ran[0] == ("pager", f"--text={ALARM.line}", "L-01")


def test_the_journal_gets_one_field_a_line(tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        to_journal(ALARM, path)
        fields = dict(line.split("=", 1) for line in journal.recv(65536).decode().splitlines())

    assert fields["SYSLOG_IDENTIFIER"] == "twinsite-alarm"
    assert (fields["TWINSITE_RULE"], fields["PRIORITY"]) == ("L-01", "2")
    assert fields["MESSAGE"] == "firing [L-01] link-cut (dc1-dc2): neither sees"


def test_a_diverged_zookeeper_server_is_an_alarm_and_a_figure():
    (cause,) = causes(decision(Scene(tree_mismatches={"dc1-app2": 32})))
    text = render(Figures(Policy(), connected=True, tree_mismatches={"dc1-app1": 0, "dc1-app2": 32}))

    assert (cause.rule, cause.subject) == ("Q-04", "dc1-app2")
    assert "runbooks/zookeeper-diverged.md" in cause.text
    assert 'twinsite_zookeeper_digest_mismatches{host="dc1-app1"} 0\n' in text
    assert 'twinsite_zookeeper_digest_mismatches{host="dc1-app2"} 32\n' in text


def test_figures_show_condition_rule_exposure_and_office():
    text = render(
        Figures(
            Policy(),
            connected=True,
            epoch=7,
            decision=decision(Scene().with_health(Health.OFF, "dc1-db1")),
            operation="1-automatic",
            exposure=Exposure(3, 1.5, "x", 100),
            exposed=True,
            firing=(("P-03", 'a "host"'),),
        )
    )

    for line in (
        'twinsite_agent_policy{mode="active",durability="available"} 1',
        "twinsite_epoch 7",
        'twinsite_operation{id="1-automatic"} 1',
        'twinsite_condition{condition="primary-host-lost",subject="dc1-db1"} 1',
        'twinsite_rule{rule="P-03",subject="dc1-db1"} 1',
        "twinsite_exposed 1",
        "twinsite_exposure_writes 3",
        "twinsite_exposure_seconds 1.5",
        'twinsite_alarm{rule="P-03",subject="a \\"host\\""} 1',
    ):
        assert line in text.splitlines()


def test_what_is_not_known_is_left_out():
    text = render(Figures(Policy(), connected=False))

    assert "twinsite_agent_in_office 0" in text
    assert "twinsite_exposure" not in text
    assert "twinsite_epoch" not in text
