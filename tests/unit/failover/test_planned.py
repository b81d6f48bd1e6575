from dataclasses import replace

import httpx
import pytest

from failover import planned
from failover.model import Access, Role
from failover.planned import SwitchoverFailedError, SwitchoverRefusedError, plan, request
from tests.unit.failover.observe.estates import SILENT, healthy, standby_row, state, with_database


def seen_by_primary(*standbys):
    return with_database(healthy(), "dc1-db1", postgres=state(Role.PRIMARY, standbys=standbys))


def test_the_synchronous_member_of_the_site_takes_over():
    switch = plan(healthy(), "dc2")
    assert (switch.leader.name, switch.candidate.name, switch.timeline) == ("dc1-db1", "dc2-db1", 3)


def test_the_primary_is_there_already():
    assert plan(healthy(), "dc1") is None


def test_of_two_synchronous_members_the_one_less_behind():
    view = seen_by_primary(
        standby_row("dc1-db2", sync_state="potential"),
        standby_row("dc2-db1", lag_bytes=4096),
        standby_row("dc2-db2", lag_bytes=0),
    )
    view = replace(view, coordination=replace(view.coordination, sync_standbys=("dc2-db1", "dc2-db2")))
    assert plan(view, "dc2").candidate.name == "dc2-db2"


@pytest.mark.safety
def test_nobody_of_the_site_is_synchronous():
    view = healthy()
    view = replace(view, coordination=replace(view.coordination, sync_standbys=("dc1-db2",)))
    with pytest.raises(SwitchoverRefusedError, match=r"no member of dc2 is synchronous.*dc1-db2"):
        plan(view, "dc2")


def test_an_unknown_lag_is_no_lag_of_zero():
    rows = (standby_row("dc1-db2"), standby_row("dc2-db1", lag_bytes=None), standby_row("dc2-db2"))
    with pytest.raises(SwitchoverRefusedError, match="no member of dc2"):
        plan(seen_by_primary(*rows), "dc2")


@pytest.mark.safety
def test_without_a_single_primary_nothing_is_handed_over():
    view = with_database(healthy(), "dc1-db1", postgres=SILENT)
    with pytest.raises(SwitchoverRefusedError, match="no single primary"):
        plan(view, "dc2")


def test_what_is_wrong_is_named():
    view = healthy()
    view = replace(view, coordination=replace(view.coordination, config={"pause": True}))
    with pytest.raises(SwitchoverRefusedError, match="maintenance mode"):
        plan(view, "dc2")


@pytest.fixture
def patroni(monkeypatch):
    """Patroni answers a request for a switch with one status code; the candidate leads or does not."""

    def answer(status, *, candidate_leads):
        reply = httpx.Response(status, text="Switchover failed")
        monkeypatch.setattr(planned, "change", lambda *_args, **_options: reply)
        monkeypatch.setattr(planned, "leads", lambda *_args, **_options: candidate_leads)
        monkeypatch.setattr(planned, "_PROOF_DEADLINE_S", 0.0)

    return answer


def ask(tmp_path):
    switch = plan(healthy(), "dc2")
    paths = (tmp_path / name for name in ("ca.pem", "operator.pem", "operator.key"))
    request(switch, Access(*paths, monitor_password="unused", patroni_rest_password="unused"))


def test_a_switch_that_patroni_calls_failed_is_done_when_the_candidate_leads(patroni, tmp_path):
    patroni(503, candidate_leads=True)
    ask(tmp_path)


def test_a_switch_that_failed_is_told_as_patroni_tells_it(patroni, tmp_path):
    patroni(503, candidate_leads=False)
    with pytest.raises(SwitchoverFailedError, match="503: Switchover failed"):
        ask(tmp_path)


def test_any_other_answer_is_believed_at_once(patroni, tmp_path):
    patroni(401, candidate_leads=True)
    with pytest.raises(SwitchoverFailedError, match="401"):
        ask(tmp_path)


def test_a_switch_that_patroni_refuses_is_refused(patroni, tmp_path):
    patroni(412, candidate_leads=False)
    with pytest.raises(SwitchoverRefusedError, match="Patroni refuses"):
        ask(tmp_path)
