from dataclasses import replace

import pytest

from failover.model import Role
from failover.planned import SwitchoverRefusedError, plan
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


def test_nobody_of_the_site_is_synchronous():
    view = healthy()
    view = replace(view, coordination=replace(view.coordination, sync_standbys=("dc1-db2",)))
    with pytest.raises(SwitchoverRefusedError, match=r"no member of dc2 is synchronous.*dc1-db2"):
        plan(view, "dc2")


def test_an_unknown_lag_is_no_lag_of_zero():
    rows = (standby_row("dc1-db2"), standby_row("dc2-db1", lag_bytes=None), standby_row("dc2-db2"))
    with pytest.raises(SwitchoverRefusedError, match="no member of dc2"):
        plan(seen_by_primary(*rows), "dc2")


def test_without_a_single_primary_nothing_is_handed_over():
    view = with_database(healthy(), "dc1-db1", postgres=SILENT)
    with pytest.raises(SwitchoverRefusedError, match="no single primary"):
        plan(view, "dc2")


def test_what_is_wrong_is_named():
    view = healthy()
    view = replace(view, coordination=replace(view.coordination, config={"pause": True}))
    with pytest.raises(SwitchoverRefusedError, match="maintenance mode"):
        plan(view, "dc2")
