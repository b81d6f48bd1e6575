"""House rules of the API that a reader could break without noticing."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest
import structlog

from app import logs
from app.customers.schemas import CustomerKind
from app.database.route import Seen, Sight
from app.database.units import Read
from app.encoding import encode
from app.health import Serves, readiness
from app.middleware import accepted_request_id, template
from app.migrate import Migration, MigrationError, load, pending
from app.requests.schemas import EventKind, Status
from app.requests.transitions import TRANSITIONS
from app.settings import Settings


@pytest.mark.safety
def test_a_read_without_the_gate_cannot_be_written():
    with pytest.raises(ValueError, match="must pass the gate"):
        Read("SELECT 1", lambda row: row)


def test_every_event_but_the_first_has_a_transition_and_every_state_is_reached():
    assert set(TRANSITIONS) == set(EventKind) - {EventKind.REGISTERED}
    targets = {transition.target for transition in TRANSITIONS.values()}
    assert {Status.NEW, *targets} - {None} == set(Status)


@pytest.mark.parametrize(
    ("primary", "replica", "serves"),
    [
        (Seen.PRIMARY, None, Serves.WRITES),
        (Seen.PRIMARY, Seen.NOBODY, Serves.WRITES),
        (Seen.STANDBY, None, Serves.READS),
        (Seen.NOBODY, Seen.STANDBY, Serves.READS),
        (Seen.NOBODY, Seen.PRIMARY, Serves.READS),
        (Seen.NOBODY, Seen.NOBODY, Serves.NOTHING),
        (Seen.NOT_YET, None, Serves.NOTHING),
    ],
)
def test_readiness_follows_what_the_probers_saw(primary, replica, serves):
    state = readiness(Sight(primary), Sight(replica) if replica else None, site="dc1", host="h")
    assert state.serves is serves


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 65, "ä", "a\nb", "'; --"])
def test_a_harmful_request_id_is_replaced(given):
    made = accepted_request_id(given)
    assert made != given
    assert len(made) == 32


def test_a_harmless_request_id_is_kept():
    assert accepted_request_id("Op-17_a.b") == "Op-17_a.b"


def test_metrics_are_labelled_with_templates():
    scope = {"path": "/api/v1/requests/17/take", "path_params": {"request_id": "17"}, "route": object()}
    assert template(scope) == "/api/v1/requests/{request_id}/take"
    assert template({"path": "/whatever"}) == "none"


def test_logs_are_json_lines_with_the_request_id_and_the_site():
    stream = io.StringIO()
    try:
        logs.configure(Settings(database_url="x", site="dc1", host="h"), stream)
        naming = logs.REQUEST_ID.set("r-1")
        structlog.get_logger("test").info("event", ms=1.5)
        logs.REQUEST_ID.reset(naming)
        line = json.loads(stream.getvalue())
    finally:
        structlog.reset_defaults()
    assert {"event": "event", "ms": 1.5, "request_id": "r-1", "site": "dc1"}.items() <= line.items()


def test_decimals_keep_their_digits_in_json():
    assert (
        encode({"amount": Decimal("2710.20"), "kind": CustomerKind.PERSON})
        == b'{"amount":"2710.20","kind":"person"}'
    )


def test_migrations_are_in_order_and_none_has_the_number_of_another():
    versions = [migration.version for migration in load()]
    assert versions == sorted(set(versions))


def test_a_number_used_twice_or_a_strange_name_is_refused(tmp_path):
    (tmp_path / "0002_second.sql").write_text("SELECT 1")
    (tmp_path / "0002_other.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="used twice"):
        load(tmp_path)
    (tmp_path / "third.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="expected a name"):
        load(tmp_path)


def test_migrations_of_a_newer_release_do_not_disturb():
    known = (Migration(1, "a", "SELECT 1"), Migration(2, "b", "SELECT 2"))
    assert pending(known, {1: known[0].sha256, 3: "newer"}) == (known[1],)


@pytest.mark.parametrize("listen", ["8000", ":8000", "h:", "h:0", "h:65536", "h:x"])
def test_a_wrong_listen_address_is_refused(listen):
    with pytest.raises(ValueError, match="listen"):
        Settings(database_url="x", listen=listen)


def test_the_listen_address_is_split():
    assert Settings(database_url="x", listen="[::1]:80").listen_address == ("::1", 80)
