"""The receiver of webhooks: what it takes, what it refuses, and that it writes everything down."""

import json
import random
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from app.webhooks.signing import Secrets, headers
from loadtests import feed
from loadtests.api import Call
from loadtests.client import Client, Ending
from loadtests.entries import Entries, Entry
from loadtests.follower import Reckoning
from loadtests.ledger import Ledger
from loadtests.policy import Answer, Patience
from loadtests.receiver import BLOCK, Manner, Manners, Receiver
from loadtests.signatures import TOLERANCE_S, fault_of
from loadtests.subscription import TITLE, Subscription

pytestmark = pytest.mark.safety

SECRETS = Secrets("AAAA")
SECRET = SECRETS.secret(UUID(int=1), 1)
OTHER = SECRETS.secret(UUID(int=1), 2)


def signed(event_id, body, secret=SECRET, at=None):
    return headers([secret], event_id, at or datetime.now(UTC), body)


def taken(marker, event_id):
    event = {"id": str(event_id), "type": "request.taken", "entity": "request:q", "version": 2}
    return json.dumps({**event, "data": {"note": marker}}).encode()


class Stand:
    def __init__(self, path):
        self.path, self.reckoning, self.manners = path, Reckoning(), Manners(1)
        self.ledger = Ledger(path, "r1", [self.reckoning])
        self.receiver = Receiver(self.ledger, self.reckoning, self.manners)
        self.receiver.secret = SECRET

    def send(self, event_id, body, **more):
        return self.receiver.receive(signed(event_id, body, **more), body)

    def lines(self):
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def stand(tmp_path):
    return Stand(tmp_path / "history.jsonl")


# -- signatures ------------------------------------------------------------------------------------


def test_what_the_crm_signs_is_genuine():
    assert fault_of(SECRET, signed(uuid4(), b"{}"), b"{}", datetime.now(UTC).timestamp()) is None


def test_one_signature_of_several_is_enough():
    both = headers([OTHER, SECRET], uuid4(), datetime.now(UTC), b"{}")
    assert fault_of(SECRET, both, b"{}", datetime.now(UTC).timestamp()) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "no signature of this body"),
        ({"webhook-id": "another"}, "no signature of this body"),
        ({"webhook-id": ""}, "no webhook-id"),
        ({"webhook-timestamp": "now"}, "no webhook-id or no webhook-timestamp"),
        ({"webhook-signature": ""}, "no signature of this body"),
        ({"webhook-signature": "v1,%%% v1 ,"}, "no signature of this body"),
    ],
)
def test_what_is_changed_on_the_way_is_not(change, said):
    body = b"{}" if change else b'{"more": 1}'
    fault = fault_of(SECRET, {**signed(uuid4(), b"{}"), **change}, body, datetime.now(UTC).timestamp())
    assert said in fault


def test_a_signature_with_something_else_in_it_is_none():
    """A lenient reader of base64 leaves out what it does not know."""
    sent = signed(uuid4(), b"{}")
    sent["webhook-signature"] = sent["webhook-signature"].replace("v1,", "v1,!")
    assert fault_of(SECRET, sent, b"{}", datetime.now(UTC).timestamp()) is not None


def test_neither_is_another_secrets_nor_another_versions_nor_an_old_one():
    sent, now = signed(uuid4(), b"{}"), datetime.now(UTC).timestamp()
    assert fault_of(OTHER, sent, b"{}", now) is not None
    assert fault_of(SECRET, {**sent, "webhook-signature": "v2" + sent["webhook-signature"][2:]}, b"{}", now)
    assert fault_of(SECRET, sent, b"{}", now + TOLERANCE_S + 2) is not None
    assert fault_of(SECRET, sent, b"{}", now - TOLERANCE_S - 2) is not None


# -- taking ----------------------------------------------------------------------------------------


def test_what_is_taken_is_written_down_and_reckoned(stand):
    stand.manners.mend()
    operation = stand.ledger.begin("operator-1", "take", write=True)
    stand.reckoning.ended(operation, "ok", 1, None)
    id_ = uuid4()
    assert not stand.receiver.settled
    assert stand.send(id_, taken(operation.marker, id_)).status == 204
    assert stand.receiver.settled
    [line] = stand.lines()
    [[position, told_id, *_, markers, digest]] = line["told"]
    assert (line["f"], line["k"], line["attempt"], line["state"], line["status"]) == (
        *("delivery", str(id_), 1),
        *("taken", 204),
    )
    assert (position, told_id, markers) == (None, str(id_), [operation.marker])
    assert digest == feed.told_by(json.loads(taken(operation.marker, id_)), 7).digest


def test_the_digest_is_of_the_content_and_not_of_its_spelling():
    id_ = uuid4()
    event = json.loads(taken("m", id_))
    assert feed.told_by(dict(reversed(event.items())), 1).digest == feed.told_by(event, 2).digest
    assert feed.told_by({**event, "timestamp": "now"}, 1).digest != feed.told_by(event, 1).digest


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"id": "another"}'])
def test_what_is_not_the_event_that_it_is_signed_as_is_refused(stand, body):
    assert stand.send(uuid4(), body).status == 401
    [line] = stand.lines()
    assert (line["state"], line["err"].startswith("webhook-id is")) == ("refused", True)


def test_a_forged_delivery_is_refused_and_settles_nothing(stand):
    operation = stand.ledger.begin("operator-1", "take", write=True)
    stand.reckoning.ended(operation, "ok", 1, None)
    id_ = uuid4()
    assert stand.send(id_, taken(operation.marker, id_), secret=OTHER).status == 401
    assert not stand.receiver.settled
    assert stand.lines()[0]["err"] == "no signature of this body by this secret"


def test_before_it_has_a_secret_it_puts_everything_off(stand):
    stand.receiver.secret = None
    assert stand.send(uuid4(), b"{}").status == 503
    assert stand.lines() == []


def test_the_attempts_of_each_event_are_counted(stand):
    one, other = uuid4(), uuid4()
    for id_ in (one, other, one, one):
        stand.send(id_, taken("m", id_))
    assert [line["attempt"] for line in stand.lines()] == [1, 1, 2, 3]


# -- bad moments -----------------------------------------------------------------------------------


def test_each_bad_moment_comes_within_two_blocks_whatever_was_drawn():
    for seed in range(20):
        manners = Manners(seed)
        met = [manners.meet(1) for _ in range(2 * BLOCK)]
        assert [met.count(each) for each in (Manner.REFUSE, Manner.DROP, Manner.DAWDLE)] == [2, 1, 1]


def test_nothing_is_put_off_twice_and_nothing_at_all_in_the_end():
    manners = Manners(1)
    assert {manners.meet(2) for _ in range(2 * BLOCK)} == {Manner.TAKE}
    manners.mend()
    assert {manners.meet(1) for _ in range(2 * BLOCK)} == {Manner.TAKE}


def test_what_it_refuses_it_has_not_got_and_what_it_drops_it_has(stand):
    writes = []
    for _ in range(2 * BLOCK):
        operation = stand.ledger.begin("operator-1", "take", write=True)
        stand.reckoning.ended(operation, "ok", 1, None)
        writes.append((uuid4(), operation.marker))
    replies = [stand.send(id_, taken(marker, id_)) for id_, marker in writes]
    lines = stand.lines()
    assert [line["state"] for line in lines] == [
        "refused" if reply.status == 503 else "taken" for reply in replies
    ]
    assert sum("status" not in line for line in lines) == 1
    assert sum(reply.wait_s > 0 for reply in replies) == 1
    assert not stand.receiver.settled
    for (id_, marker), reply in zip(writes, replies, strict=True):
        if reply.status != 204:
            assert stand.send(id_, taken(marker, id_)).status == 204
    assert stand.receiver.settled


# -- the subscription ------------------------------------------------------------------------------


class Crm:
    """Subscriptions in memory."""

    def __init__(self, *items):
        self.items, self.asked, self.refusal = list(items), [], None

    def send(self, entry, call: Call, operation):  # noqa: ARG002 - a transport's signature
        self.asked.append((call.method, call.path, json.loads(call.body or b"null")))
        if self.refusal and call.method == "POST":
            return self.refusal
        if call.method == "POST":
            return Answer(201, {}, {"id": "new", "version": 1, **json.loads(call.body)})
        if call.path.endswith("/secret"):
            return Answer(200, {}, {"secret": SECRET, "previous": None})
        if call.method == "DELETE":
            return Answer(204, {}, {})
        return Answer(200, {}, {"items": self.items})


@pytest.fixture
def subscription(tmp_path):
    def made(crm):
        ledger = Ledger(tmp_path / "history.jsonl", "r1")
        client = Client(
            transport=crm, entries=Entries([Entry("dc1", "https://1")], random.Random(1)), ledger=ledger,  # noqa: S311
            patience=Patience(budget_s=0.0), ending=Ending(), rng=random.Random(1), sleep=lambda _: None,  # noqa: S311
        )  # fmt: skip
        return Subscription(client, ledger)

    return made


def test_it_subscribes_to_what_tells_of_the_load_and_takes_that_away(subscription):
    crm = Crm()
    mine = subscription(crm)
    assert mine.begin("http://10.77.4.51:5/") == SECRET
    mine.end()
    mine.end()
    form = {"url": "http://10.77.4.51:5/", "title": TITLE, "types": list(feed.TYPES)}
    assert [ask for ask in crm.asked if ask[0] != "GET"] == [
        ("POST", "/api/v1/webhooks", form),
        ("DELETE", "/api/v1/webhooks/new", None),
    ]


def test_what_an_earlier_run_left_is_taken_away_and_what_others_have_is_not(subscription):
    left = {"id": "left", "title": TITLE, "active": True, "url": "http://1/"}
    crm = Crm({**left, "id": "at-rest", "active": False}, {**left, "id": "erp", "title": "ERP"}, left)
    subscription(crm).begin("http://2/")
    assert [path for method, path, _ in crm.asked if method == "DELETE"] == [
        "/api/v1/webhooks/at-rest",
        "/api/v1/webhooks/left",
    ]


def test_who_may_not_subscribe_gets_no_secret_and_has_nothing_to_end(subscription):
    crm = Crm()
    crm.refusal = Answer(403, {}, {"code": "forbidden"})
    mine = subscription(crm)
    assert mine.begin("http://1/") is None
    mine.end()
    assert [method for method, *_ in crm.asked] == ["GET", "POST"]


def test_the_types_are_those_that_carry_markers():
    body = {"processing_ids": ["m"], "external_id": "m", "note": "m"}
    assert {type_ for type_ in feed.TYPES if feed.told_by({"type": type_, "data": body}, 1).markers} == set(
        feed.TYPES
    )
