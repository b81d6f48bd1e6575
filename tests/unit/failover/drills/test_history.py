"""The history file: what is written is read, and what is broken is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.drills.history import HistoryError, Recorder, Tail, merge, operations, parse, read, render
from failover.drills.model import Event, EventType, Outcome, ToldEvent

CONTRACT = (
    '{"i": 17, "t_ns": 5, "proc": "feed-3", "type": "ok", "f": "card_transaction", "k": "K",'
    ' "v": "r:feed-3:1", "key": "e1", "route": "dc1", "attempt": 2, "node": "10.77.1.21",'
    ' "timeline": 3, "lsn": "0/5000148", "status": 201, "err": null, "latency_ns": 3, "something_new": 1}'
)

texts = st.one_of(st.none(), st.text(max_size=10))
events = st.builds(
    Event,
    t_ns=st.integers(0, 10**12),
    type=st.sampled_from(EventType),
    proc=st.text(max_size=5),
    function=st.text(max_size=5),
    i=st.integers(0, 100),
    idempotency_key=texts,
    marker=texts,
    entity=texts,
    node=texts,
    timeline=st.one_of(st.none(), st.integers(0, 9)),
    status=st.one_of(st.none(), st.integers(0, 599)),
    seen=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    stale=st.booleans(),
    size=st.one_of(st.none(), st.integers(2, 99)),
    after=st.one_of(st.none(), st.integers(0, 99)),
    reached=st.one_of(st.none(), st.integers(0, 99)),
    told=st.lists(
        st.builds(
            ToldEvent,
            position=st.integers(1, 99),
            id=st.text(max_size=5),
            type=st.text(max_size=5),
            entity=st.text(max_size=5),
            version=st.one_of(st.none(), st.integers(1, 9)),
            markers=st.lists(st.text(max_size=5), max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)


def event(kind, key="K", at=0, **more):
    return Event(t_ns=at, type=EventType(kind), proc="feed-1", function="x", idempotency_key=key, **more)


@given(events)
def test_an_event_survives_its_line(one):
    assert parse(render(one)) == one


def test_a_line_of_the_contract_is_understood():
    found = parse(CONTRACT)
    assert (found.function, found.idempotency_key, found.marker) == ("card_transaction", "K", "r:feed-3:1")
    assert (found.entity, found.timeline, found.latency_ns, found.err) == ("e1", 3, 3, None)


@pytest.mark.parametrize(
    "line", ["", "[]", "7", '{"t_ns": 1}', '{"t_ns": 1, "proc": "p", "type": "no", "f": "x"}']
)
def test_what_is_no_event_is_refused(line):
    with pytest.raises(HistoryError, match="not an event"):
        parse(line)


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(CONTRACT + "\nrubbish\n")
    with pytest.raises(HistoryError, match=r"history\.jsonl:2"):
        list(read(path))


def test_the_last_line_of_a_killed_writer_is_ignored(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(CONTRACT + "\n" + CONTRACT[:30])
    assert len(list(read(path))) == 1


def test_a_tail_sees_each_line_once_and_only_whole_ones(tmp_path):
    path = tmp_path / "history.jsonl"
    tail = Tail(path)
    assert tail.fresh() == []
    with Recorder(path) as recorder:
        recorder.record(event("invoke"))
        assert len(tail.fresh()) == 1
        recorder._file.write(b'{"half": ')
        assert tail.fresh() == []


def test_following_takes_no_separator_within_a_text_for_the_end_of_a_line(tmp_path):
    """JSON leaves U+2028, U+2029 and U+0085 as they are: an error page may hold them."""
    said = event("retry", err="first\u2028second\u2029third\x85fourth")
    with Recorder(tmp_path / "history.jsonl") as recorder:
        recorder.record(said)
    assert Tail(tmp_path / "history.jsonl").fresh() == list(read(tmp_path / "history.jsonl")) == [said]


def test_merging_orders_by_time_and_numbers_anew():
    merged = merge([[event("ok", at=5), event("ok", at=9)], [event("ok", at=7)]])
    assert [(one.i, one.t_ns) for one in merged] == [(1, 5), (2, 7), (3, 9)]


def test_an_operation_is_its_invocation_attempts_and_end():
    found = operations([
        event("invoke", at=0, marker="m"),
        event("retry", at=5, status=503, attempt=1, latency_ns=5, route="dc1"),
        event("ok", at=9, status=201, attempt=2, latency_ns=2, route="dc2", entity="e1"),
    ])[0]  # fmt: skip
    assert (found.outcome, found.entity, found.ended_ns, found.marker) == (Outcome.OK, "e1", 9, "m")
    assert [(a.number, a.succeeded, a.route, a.started_ns) for a in found.attempts] == [
        (1, False, "dc1", 0),
        (2, True, "dc2", 7),
    ]


def test_an_operation_that_never_ended_is_unknown():
    found = operations([event("invoke")])[0]
    assert (found.outcome, found.ended_ns) == (Outcome.INFO, None)


def test_observations_are_no_operations():
    assert operations([Event(t_ns=1, type=EventType.OBSERVE, proc="observer", function="leader")]) == []


@pytest.mark.parametrize("kinds", [["ok"], ["invoke", "ok", "ok"], ["invoke", "ok", "retry"]])
def test_an_impossible_life_is_refused(kinds):
    with pytest.raises(HistoryError, match="no life"):
        operations([event(kind) for kind in kinds])
