"""Which commits have a copy in another site, and what the agent's gate says when its agent is away."""

import json

import pytest

from app.database.copies import FRESH_SECONDS, READ_EVERY_SECONDS, Gate, Sites, synchronous_names

pytestmark = pytest.mark.safety

SITES = Sites.parse("dc1-db1=dc1 10.77.1.21=dc1 dc1-db2=dc1 dc2-db1=dc2 10.77.2.21=dc2")


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("", ()),
        ("*", ()),
        ('2 ("dc1-db2","dc2-db1")', ("dc1-db2", "dc2-db1")),
        ('FIRST 1 ("dc2-db1")', ("dc2-db1",)),
        ("ANY 1 (*)", ()),
        ('"dc2-db1"', ("dc2-db1",)),
    ],
)
def test_the_setting_names_whom_a_commit_waits_for(setting, names):
    assert synchronous_names(setting) == names


@pytest.mark.parametrize(
    ("node", "setting", "copied"),
    [
        ("10.77.1.21", '2 ("dc1-db2","dc2-db1")', True),
        ("10.77.2.21", '1 ("dc2-db1")', False),
        ("10.77.1.21", '1 ("dc1-db2")', False),
        ("10.77.1.21", "*", False),
        ("10.77.1.21", '1 ("somebody")', False),
        ("10.9.9.9", '1 ("dc2-db1")', False),
        (None, '1 ("dc2-db1")', False),
    ],
)
def test_only_a_known_standby_of_another_site_is_a_remote_copy(node, setting, copied):
    assert SITES.has_remote_copy(node, setting) is copied


@pytest.mark.parametrize("text", ["dc1-db1", "=dc1", "dc1-db1="])
def test_sites_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="NAME=SITE"):
        Sites.parse(text)


class Moment:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def say(path, writes, at):
    path.write_text(json.dumps({"writes": writes, "monotonic_s": at}))


def test_the_gate_closes_and_opens_as_the_agent_says(tmp_path):
    path, moment = tmp_path / "gate", Moment()
    gate = Gate(path, moment)
    say(path, "closed", moment.now)
    assert gate.closed

    moment.now += 2 * READ_EVERY_SECONDS
    say(path, "open", moment.now)
    assert not gate.closed


def test_a_gate_whose_agent_is_away_says_nothing(tmp_path):
    path, moment = tmp_path / "gate", Moment()
    gate = Gate(path, moment)
    assert not gate.closed  # no file yet

    say(path, "closed", moment.now)
    moment.now += FRESH_SECONDS + 0.1
    assert not gate.closed

    for spoilt in ("", "[]", '{"writes": "closed"}', '{"writes": "closed", "monotonic_s": "soon"}'):
        path.write_text(spoilt)
        moment.now += 2 * READ_EVERY_SECONDS
        assert not gate.closed
