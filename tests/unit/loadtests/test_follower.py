"""Following the event feed: from page to page, through refusals, until all that was acknowledged is told."""

import json
import random
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from app.events.cursor import encode, place_of
from loadtests import api, data, feed
from loadtests.client import Client, Ending
from loadtests.entries import Entries, Entry
from loadtests.follower import Follower, Reckoning
from loadtests.ledger import Ledger
from loadtests.policy import Answer, Patience

LOST = Answer(410, {}, {"code": "cursor-lost"})
FORBIDDEN = Answer(403, {}, {"code": "forbidden"})
NO_PRIMARY = Answer(503, {}, {"code": "no-primary"})


def cursor(position):
    return encode(place_of(position, UUID(int=position)))


def event(position, kind, **data):
    return {"id": f"e{position}", "type": kind, "entity": "request:q1", "version": position, "data": data}


class Crm:
    """A feed in memory; it answers by the cursor. `amiss` are answers that come before its own."""

    def __init__(self, *events, begin=0):
        self.events, self.begin, self.amiss, self.asked = list(events), begin, [], []

    def send(self, entry, call, operation):  # noqa: ARG002 - a transport's signature
        after = parse_qs(urlsplit(call.path).query)["after"][0]
        self.asked.append(after)
        if self.amiss:
            return self.amiss.pop(0)
        start = self.begin if after == "latest" else feed.position_of(after)
        items = [] if after == "latest" else self.events[start - self.begin :]
        reached = cursor(start + len(items))
        return Answer(200, {}, {"items": items, "next": f"/api/v1/events?after={reached}", "more": False})


class Desk:
    def __init__(self, path, crm):
        self.path, self.ending, self.reckoning = path, Ending(), Reckoning()
        self.ledger = Ledger(path, "r1", [self.reckoning])
        client = Client(
            transport=crm, entries=Entries([Entry("dc1", "https://1")], random.Random(1)),  # noqa: S311
            ledger=self.ledger, patience=Patience(budget_s=0.0), ending=Ending(), rng=random.Random(1),  # noqa: S311
            sleep=lambda _: None,
        )  # fmt: skip
        self.looks = 0
        self.follower = Follower(client, self.ledger, self.reckoning, self.ending, sleep=self.look_again)

    def look_again(self, _seconds):
        self.looks += 1
        assert self.looks < 20, "it does not end"

    def acknowledge(self, size=1):
        operation = self.ledger.begin("feed-1", "card_batch", write=True, size=size)
        self.reckoning.ended(operation, "ok", 1, None)
        return operation

    def follow(self, end_after_s=60.0):
        self.follower.begin()
        self.ending.ask(end_after_s)
        self.follower.follow()

    def ends(self):
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if line["type"] != "invoke"]


@pytest.fixture
def desk(tmp_path):
    return lambda crm: Desk(tmp_path / "history.jsonl", crm)


def test_the_position_is_read_of_the_cursor_that_the_crm_makes():
    assert [feed.position_of(cursor(place)) for place in (1, 300, 2**40)] == [1, 300, 2**40]


@pytest.mark.parametrize("body", [{}, {"next": None}, {"next": "/api/v1/events"}])
def test_what_is_no_page_is_no_page(body):
    with pytest.raises(ValueError, match="no page of the feed"):
        feed.next_of(Answer(200, {}, body))


def test_what_is_no_cursor_is_no_cursor():
    with pytest.raises(ValueError, match="no cursor"):
        feed.position_of("AQ")


def test_it_reads_on_from_the_end_until_all_is_told(desk):
    crm = Crm(begin=7)
    it = desk(crm)
    batch = it.acknowledge(size=2)
    crm.events.append(event(8, "card-transaction-batch.received", processing_ids=list(batch.markers)))
    it.follow()
    first, page = it.ends()
    assert (first.get("after"), first["reached"], "told" in first) == (None, 7, False)
    assert (page["after"], page["reached"]) == (7, 8)
    [[*told, digest]] = page["told"]
    markers = [batch.marker, f"{batch.marker}:1"]
    assert told == [8, "e8", "card-transaction-batch.received", "request:q1", 8, markers]
    assert len(digest) == 16


@pytest.mark.parametrize(
    ("kind", "content", "markers"),
    [
        ("customer.registered", {"external_id": "m1"}, ["m1"]),
        ("request.registered", {"external_id": "m1", "note": None}, ["m1"]),
        ("request.taken", {"external_id": "m1", "note": "m2"}, ["m2"]),
        ("request.closed", {"external_id": "m1", "note": "m3"}, ["m3"]),
        ("request.assigned", {"external_id": "m1", "note": None}, []),
        ("message.received", {"external_id": "m1"}, []),
    ],
)
def test_each_write_is_told_by_one_event(kind, content, markers):
    call = feed.read_on(cursor(7))
    body = {"items": [event(8, kind, **content)], "next": f"/api/v1/events?after={cursor(8)}", "more": False}
    [told] = call.facts(Answer(200, {}, body)).told
    assert (told.position, list(told.markers)) == (8, markers)


def test_the_markers_of_a_batch_are_the_ids_that_it_sends(desk):
    it = desk(Crm())
    batch = it.acknowledge(size=3)
    bought = [data.purchase(random.Random(number)) for number in range(3)]  # noqa: S311
    sent = json.loads(api.send_batch(batch.marker, bought).body)["transactions"]
    assert tuple(one["processing_id"] for one in sent) == batch.markers


def test_what_is_never_told_is_waited_for_until_time_is_up(desk):
    crm = Crm()
    it = desk(crm)
    it.acknowledge()
    it.follow(end_after_s=0.0)
    assert len(crm.asked) == 1


def test_what_was_given_up_is_asked_again_with_the_same_cursor(desk):
    crm = Crm(begin=7)
    it = desk(crm)
    write = it.acknowledge()
    it.follower.begin()
    crm.events.append(event(8, "request.taken", note=write.marker))
    crm.amiss = [NO_PRIMARY, NO_PRIMARY]
    it.ending.ask(60.0)
    it.follower.follow()
    assert crm.asked == ["latest", cursor(7), cursor(7), cursor(7)]
    assert [line["type"] for line in it.ends()] == ["ok", "info", "info", "ok"]


def test_a_lost_cursor_sends_back_to_the_first(desk):
    crm = Crm(event(8, "request.taken", note="other"), begin=7)
    it = desk(crm)
    write = it.acknowledge()

    def go_on(seconds):
        it.look_again(seconds)
        if it.looks == 1:
            crm.amiss = [LOST]
            crm.events.append(event(9, "request.closed", note=write.marker))

    it.follower._sleep = go_on
    it.follow()
    assert crm.asked == ["latest", cursor(7), cursor(8), cursor(7)]
    assert [line["type"] for line in it.ends()] == ["ok", "ok", "fail", "ok"]


@pytest.mark.parametrize("refusal", [FORBIDDEN, LOST])
def test_a_definite_no_ends_it(desk, refusal):
    crm = Crm(begin=7)
    it = desk(crm)
    it.acknowledge()
    it.follower.begin()
    crm.amiss = [refusal]
    it.ending.ask(60.0)
    it.follower.follow()
    assert len(crm.asked) == 2
    assert it.ends()[-1]["type"] == "fail"


def test_who_was_refused_the_first_look_never_looks_again(desk):
    crm = Crm()
    crm.amiss = [FORBIDDEN]
    it = desk(crm)
    it.follow()
    assert crm.asked == ["latest"]
