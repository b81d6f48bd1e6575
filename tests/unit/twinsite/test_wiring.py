from pathlib import Path

from failover.drills.model import Entry
from infra.topology import estate_from_listing
from twinsite.drilling import client_host, drill_estate, entries_of, preferred
from twinsite.ports.cluster import member_from
from twinsite.ports.load import load_argv
from twinsite.wiring import layout_of

DC1 = {"site": "dc1", "site_subnet": "10.77.1.0/24", "site_entry_address": "10.77.1.10"}
DC2 = {"site": "dc2", "site_subnet": "10.77.2.0/24", "site_entry_address": "10.77.2.10"}
WIT = {"site": "wit", "site_subnet": "10.77.3.0/24"}
CLIENT = {"name": "client", "subnet": "10.77.4.0/24", "hosts": {"client-load1": "10.77.4.51"}}
LAB = {"lab_client_site": CLIENT}
HOSTS = {
    "dc1-db1": {"ansible_host": "10.77.1.21", **DC1, **LAB},
    "dc1-app1": {"ansible_host": "10.77.1.31", **DC1, **LAB},
    "dc2-db1": {"ansible_host": "10.77.2.21", **DC2, **LAB},
    "wit-zk1": {"ansible_host": "10.77.3.41", **WIT, **LAB},
}
ESTATE = estate_from_listing(
    Path("inventory/test"),
    {
        "_meta": {"hostvars": HOSTS},
        "postgresql": {"hosts": ["dc1-db1", "dc2-db1"]},
        "application": {"hosts": ["dc1-app1"]},
        "zookeeper": {"hosts": ["dc1-app1", "wit-zk1"]},
    },
)


def test_the_layout_lists_hosts_by_what_they_do():
    layout = layout_of(ESTATE)
    assert [node.name for node in layout.databases] == ["dc1-db1", "dc2-db1"]
    assert [node.name for node in layout.zookeepers] == ["dc1-app1", "wit-zk1"]
    assert layout.databases[0].address == "10.77.1.21"
    assert layout.data_sites == ("dc1", "dc2")
    assert {site.name: site.entry for site in layout.sites}["dc2"] == "10.77.2.10"
    assert {site.name: site.entry for site in layout.sites}["wit"] is None


def test_a_drill_sees_servers_and_entries_but_not_the_clients():
    estate = drill_estate(ESTATE)
    assert "client-load1" not in {host.name for host in estate.hosts}
    assert estate.entries == (Entry("dc1", "https://10.77.1.10"), Entry("dc2", "https://10.77.2.10"))
    assert client_host(ESTATE).name == "client-load1"


def test_users_are_sent_to_the_primarys_site_first():
    entries = entries_of(ESTATE)
    assert [entry.site for entry in preferred(entries, "dc2")] == ["dc2", "dc1"]
    assert preferred(entries, None) == entries


def test_the_load_is_told_every_entry():
    argv = load_argv("steady", entries_of(ESTATE), Path("ca.pem"), Path("history.jsonl"))
    assert argv.count("--entry") == 2
    assert "dc1=https://10.77.1.10" in argv


def test_a_member_of_patronis_cluster():
    row = {"name": "dc2-db1", "role": "sync_standby", "state": "streaming", "timeline": 3, "lag": 0}
    member = member_from(row)
    assert (member.role, member.synchronous, member.lag_bytes) == ("replica", True, 0)
    assert member_from({**row, "role": "replica", "lag": "unknown"}).lag_bytes is None
    assert member_from({**row, "role": "standby_leader"}).role == "unknown"
