"""One operation through every kind of weather, with a transport that answers from a list."""

import json
import random

import pytest

from loadtests.api import Call
from loadtests.client import CONTRADICTED, GAVE_UP, STOPPED, Client, Ending
from loadtests.entries import Entries, Entry
from loadtests.ledger import Ledger
from loadtests.policy import Answer, Patience

pytestmark = pytest.mark.safety

DC1, DC2 = Entry("dc1", "https://1"), Entry("dc2", "https://2")
DONE = Answer(201, {"twinsite-node": "10.77.1.21", "twinsite-timeline": "3"}, {"id": "q1"})
SILENCE = Answer(None, {}, {}, err="timed out")
NO_PRIMARY = Answer(503, {"retry-after": "1"}, {"code": "no-primary"})
INVALID = Answer(422, {}, {"code": "validation"})
SERVING = Answer(200, {}, {"serves": "writes"})
POST = Call("POST", "/x", b"{}")


class Script:
    """A transport that gives the next answer of a list, and remembers what was sent where."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.sent = []

    def send(self, entry, call, operation):
        self.sent.append((entry.name, call.path, operation.key))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Desk:
    """A client, its ledger and its pauses."""

    def __init__(self, path, answers, budget_s=60.0):
        self.path = path
        self.transport = Script(answers)
        self.ledger = Ledger(path, "r1")
        self.ending = Ending()
        self.pauses = []
        self.entries = Entries([DC1, DC2], random.Random(1))  # noqa: S311
        self.client = Client(
            transport=self.transport, entries=self.entries, ledger=self.ledger,
            patience=Patience(budget_s=budget_s), ending=self.ending, rng=random.Random(1),  # noqa: S311
            sleep=self.pauses.append,
        )  # fmt: skip

    def write(self):
        operation = self.ledger.begin("feed-1", "card_transaction", write=True)
        return self.client.perform(operation, POST)

    def lines(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def kinds(self):
        return [line["type"] for line in self.lines()]


@pytest.fixture
def desk(tmp_path):
    return lambda *answers, **options: Desk(tmp_path / "history.jsonl", answers, **options)


def test_done_at_once(desk):
    it = desk(DONE)
    assert it.write() is DONE
    assert it.kinds() == ["invoke", "ok"]
    end = it.lines()[-1]
    assert (end["node"], end["timeline"], end["attempt"], end["route"]) == ("10.77.1.21", 3, 1, "dc1")
    assert end["v"] == end["k"] == "r1:feed-1:1"


def test_a_silent_entry_is_left_at_once_with_the_same_key(desk):
    it = desk(SILENCE, DONE)
    it.write()
    assert it.kinds() == ["invoke", "retry", "ok"]
    assert [name for name, _, _ in it.transport.sent] == ["dc1", "dc2"]
    assert len({key for _, _, key in it.transport.sent}) == 1
    assert it.pauses == [0.0]


def test_when_all_entries_failed_it_waits_as_asked(desk):
    it = desk(NO_PRIMARY, NO_PRIMARY, DONE)
    it.write()
    assert it.pauses[0] == 0.0
    assert it.pauses[1] >= 1.0


def test_a_refusal_is_certain(desk):
    it = desk(INVALID)
    assert it.write() is None
    assert it.kinds() == ["invoke", "fail"]


def test_a_refusal_after_what_certainly_did_not_happen_is_certain(desk):
    it = desk(NO_PRIMARY, INVALID)
    it.write()
    assert it.kinds() == ["invoke", "retry", "fail"]


def test_a_refusal_after_nobody_took_the_connection_is_certain(desk):
    it = desk(Answer(None, {}, {}, err="ConnectionRefusedError", sent=False), INVALID)
    it.write()
    assert it.kinds() == ["invoke", "retry", "fail"]


def test_a_refused_read_is_certain_whatever_came_before(desk):
    it = desk(SILENCE, INVALID)
    it.client.perform(it.ledger.begin("portal-1", "get_request", write=False), Call("GET", "/x"))
    assert it.kinds() == ["invoke", "retry", "fail"]


def test_a_refusal_after_silence_is_unknown(desk):
    it = desk(SILENCE, INVALID)
    it.write()
    assert it.kinds() == ["invoke", "retry", "info"]
    assert it.lines()[-1]["err"] == CONTRADICTED


def test_a_spent_budget_is_unknown(desk):
    it = desk(SILENCE, budget_s=0.0)
    assert it.write() is None
    assert it.kinds() == ["invoke", "info"]
    assert it.lines()[-1]["err"] == GAVE_UP


def test_an_ending_load_leaves_the_rest_unknown(desk):
    it = desk(SILENCE)
    it.ending.ask(drain_s=0.0)
    it.write()
    assert it.lines()[-1]["err"] == STOPPED


def test_every_attempt_stands_in_exactly_one_line(desk):
    it = desk(SILENCE, NO_PRIMARY, NO_PRIMARY, DONE)
    it.write()
    attempts = [line["attempt"] for line in it.lines() if line["type"] != "invoke"]
    assert attempts == [1, 2, 3, 4] == list(range(1, len(it.transport.sent) + 1))


def test_it_returns_to_the_preferred_entry_when_that_serves_writes_again(desk):
    it = desk(SERVING, DONE)
    it.entries.failed(DC1, now_s=-1000.0)
    it.write()
    assert [(name, path) for name, path, _ in it.transport.sent] == [("dc1", "/health/ready"), ("dc1", "/x")]
    assert it.kinds() == ["invoke", "ok"]


def test_a_preferred_entry_without_a_primary_is_not_returned_to(desk):
    it = desk(Answer(200, {}, {"serves": "reads"}), DONE)
    it.entries.failed(DC1, now_s=-1000.0)
    it.write()
    assert [name for name, _, _ in it.transport.sent] == ["dc1", "dc2"]
    assert it.entries.current == DC2


def test_a_read_has_a_name_in_the_ledger_but_no_marker(desk):
    it = desk(DONE)
    operation = it.ledger.begin("portal-1", "list_requests", write=False, stale=True)
    it.client.perform(operation, Call("GET", "/requests", stale=True))
    assert "v" not in it.lines()[0]
    assert it.lines()[0]["stale"] is True
