"""`twinsite lab heal` and the words of a drill, where what they speak to may be gone."""

import contextlib
import os

import pytest

from failover.drills.model import ClusterStatus, ReplicationMode
from failover.drills.ports import PortError
from infra.secret_values import SecretsError
from twinsite.commands import drill, fault


class Cluster:
    """The two calls that setting replication back makes."""

    def __init__(self, mode):
        self.mode = mode

    def status(self):
        if self.mode is None:
            raise PortError("no member of the cluster answers")
        return ClusterStatus((), self.mode)

    def set_replication(self, mode):
        self.mode = mode


@pytest.fixture
def heal(monkeypatch, capfd):
    """Heals a cluster in this mode (None: nobody answers); tells its mode then and what was said."""

    def run(mode):
        cluster = Cluster(mode)
        monkeypatch.setattr(fault, "cluster_of", lambda _context: cluster)
        fault._heal_replication(None)
        return cluster.mode, capfd.readouterr().err

    return run


def test_replication_that_a_killed_drill_left_asynchronous_is_set_back_and_said(heal):
    mode, said = heal(ReplicationMode.ASYNCHRONOUS)
    assert mode is ReplicationMode.SYNCHRONOUS
    assert "set back to synchronous" in said


def test_synchronous_replication_is_left_alone(heal):
    assert heal(ReplicationMode.SYNCHRONOUS) == (ReplicationMode.SYNCHRONOUS, "")


def test_a_cluster_that_does_not_answer_yet_fails_no_healing(heal):
    _, said = heal(None)
    assert "no member of the cluster answers" in said


def test_a_lab_that_was_never_provisioned_has_no_replication(monkeypatch, capfd):
    def never(_context):
        raise SecretsError("never made")

    monkeypatch.setattr(fault, "cluster_of", never)
    fault._heal_replication(None)
    assert capfd.readouterr().err == ""


def test_a_broken_pipe_is_an_error_that_the_drill_can_pass_over(monkeypatch):
    """rich would end the process there, in the middle of healing."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    monkeypatch.setattr("sys.stderr", stream)
    with pytest.raises(BrokenPipeError):
        drill._say("healing: power_cut dc1")
    with contextlib.suppress(BrokenPipeError):
        stream.close()
