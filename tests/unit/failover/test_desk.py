"""The desk answers every request once, begins one order at a time, and says why when it does not."""

from dataclasses import dataclass, field, replace

import pytest

from failover.decide import Mode
from failover.desk import Desk, Seat
from failover.inspection import Inspection
from failover.journal import Entry, Event, Record
from failover.model import Unreachable
from failover.plan import Operation, Plan
from failover.planners import planners
from failover.procedures import switchover
from failover.proof.scenery import Scene, picture
from failover.requests import Control, Document, Reply, Request, RequestError


@dataclass
class Box:
    """RequestBox without ZooKeeper."""

    documents: dict[str, Document] = field(default_factory=dict)

    def waiting(self):
        return tuple(each.request for each in self.documents.values() if each.reply is None)

    def answer(self, request, reply) -> None:
        self.documents[request.id] = Document(request, reply)

    def submit(self, request) -> None:
        self.documents[request.id] = Document(request)

    def reply(self, request) -> Reply | None:
        return self.documents[request.id].reply


class Blind:
    """An inspector that reaches nobody: then no stall is expected, and nothing else changes."""

    def inspect(self, _hosts) -> Inspection:
        return Inspection({}, {})

    def server(self, _host) -> Unreachable:
        return Unreachable("nobody")


@dataclass
class Books:
    kept: list[Entry] = field(default_factory=list)

    def entry(self, name):
        return next((entry for entry in self.kept if entry.id == name), None)


def asked(task=Operation.SWITCHOVER, *, name="a", at=100.0, **arguments) -> Request:
    return Request.of(task, name=name, by="operator", reason="test", at=at, **arguments)


def desk(box: Box, books: Books | None = None, mode: Mode = Mode.ACTIVE) -> Desk:
    return Desk(box, Seat("wit-zk1", mode, lambda: 7), planners(Blind(), list), books or Books())


def refusal(request: Request, mode: Mode = Mode.ACTIVE, scene: Scene | None = None) -> str:
    box = Box()
    box.submit(request)
    assert desk(box, mode=mode).next_order(picture(scene or Scene())) is None
    reply = box.reply(request)
    assert reply is not None
    assert not reply.accepted
    return reply.text


def test_an_order_becomes_an_entry_in_the_operators_name_under_the_requests_id() -> None:
    box, request = Box(), asked(site="dc2")
    box.submit(request)

    entry = desk(box).next_order(picture(Scene()))

    assert entry is not None
    assert (entry.id, entry.ordered_by, entry.reason) == (request.id, "operator", "test")
    assert entry.plan.title == "switch the primary from dc1-db1 to dc2-db1"
    assert dict(entry.arguments) == {"site": "dc2"}


def test_the_oldest_order_comes_first_and_the_other_waits_unanswered() -> None:
    box, late, early = Box(), asked(at=200.0, site="dc2"), asked(at=100.0, host="dc1-db2")
    box.submit(early)
    box.submit(late)

    entry = desk(box).next_order(picture(Scene()))

    assert entry is not None
    assert entry.id == early.id
    assert box.reply(late) is None


def test_an_order_that_is_in_the_journal_is_not_begun_again() -> None:
    box, request = Box(), asked(site="dc2")
    box.submit(request)
    begun = Entry(request.id, Plan(Operation.SWITCHOVER, "", ()), "operator", "test")

    assert desk(box, Books([begun])).next_order(picture(Scene())) is None
    reply = box.reply(request)
    assert reply is not None
    assert reply.accepted


def test_what_cannot_be_done_is_refused_with_the_reason() -> None:
    assert "nothing to do" in refusal(asked(site="dc1"))
    assert "no database host" in refusal(asked(site="moon"))
    assert "nobody holds the leader key" in refusal(asked(site="dc2"), scene=Scene(leader=None))
    assert "observe-only" in refusal(asked(site="dc2"), Mode.OBSERVE)
    assert "carry out no recover-quorum" in refusal(asked(Operation.RECOVER_QUORUM))
    assert "not under way" in refusal(asked(Control.ABORT, id="100-switchover-x"))


@pytest.mark.parametrize(("committed", "goes_back"), [(False, True), (True, False)])
def test_an_abort_is_taken_only_while_there_is_a_way_back(committed, goes_back) -> None:
    plan = switchover.plan(switchover.Switch("op-1", "dc1-db1", 1, "dc2-db1", "dc2"))
    records = (Record(Event.INTENT, "release", "", 1, 0.0),) if committed else ()
    entry = Entry("op-1", plan, "operator", "test", records)
    box, request, other = Box(), asked(Control.ABORT, id="op-1"), asked(Control.ABORT, name="b", id="op-2")
    box.submit(request)
    box.submit(other)

    assert (desk(box).aborts(entry) == "aborted by operator: test") is goes_back
    reply = box.reply(request)
    assert reply is not None
    assert reply.accepted is goes_back
    assert box.reply(other) is None


def test_a_resume_is_for_the_operation_it_names() -> None:
    entry = Entry("op-1", Plan(Operation.SWITCHOVER, "", ()), "operator", "test")
    box, request = Box(), asked(Control.RESUME, id="op-1")
    box.submit(request)

    assert not desk(box).wants_forward(replace(entry, id="op-2"))
    assert desk(box).wants_forward(entry)
    assert not desk(box).wants_forward(entry)


def test_a_request_is_read_as_it_was_written() -> None:
    request = asked(site="dc2", force=True)
    for document in (Document(request), Document(request, Reply(False, "no", "wit-zk1", 3))):
        assert Document.from_bytes(document.to_bytes()) == document
    assert request.text("site") == "dc2"
    assert request.flag("force")


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'{"version": 2}', b'{"version": 1, "task": "dance"}'])
def test_what_is_no_request_is_said_to_be_none(data) -> None:
    with pytest.raises(RequestError):
        Document.from_bytes(data)
