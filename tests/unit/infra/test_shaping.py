from __future__ import annotations

import json

import pytest

from infra.shaping import netem_arguments, quality_by_netem, quality_by_wirefilter, wirefilter_commands
from infra.topology import LinkQuality


def test_wirefilter_is_told_delay_loss_and_bytes_per_second() -> None:
    assert wirefilter_commands(LinkQuality(20, 3, 2, 80)) == ["delay 20+3", "loss 2", "bandwidth 10000000"]


def test_a_clean_link_is_told_so_explicitly_lest_an_older_quality_stays() -> None:
    assert wirefilter_commands(LinkQuality()) == ["delay 0+0", "loss 0", "bandwidth 0"]


def test_netem_is_always_told_a_rate_since_it_keeps_packets_in_order_and_replaces_an_older_one() -> None:
    shaped = " ".join(netem_arguments(LinkQuality(20, 3, 2, 80)))
    assert shaped.endswith("delay 20ms 3ms loss 2% rate 80mbit")
    assert " ".join(netem_arguments(LinkQuality(2))).endswith("delay 2ms 0ms loss 0% rate 100000mbit")


@pytest.mark.parametrize(
    ("quality", "under_way"),
    [(LinkQuality(), 0), (LinkQuality(100), 20_000), (LinkQuality(100, rate_mbit=12), 100)],
)
def test_netems_queue_holds_what_is_under_way_lest_it_loses_what_nobody_ordered(
    quality: LinkQuality, under_way: int
) -> None:
    arguments = netem_arguments(quality)
    assert int(arguments[arguments.index("limit") + 1]) == 1000 + under_way


def test_the_quality_is_read_back_from_netem() -> None:
    """As iproute2 6.1 prints it: seconds, a share of 1, bytes a second; an absent key is 0."""
    options = {
        "limit": 1000,
        "delay": {"delay": 0.0205, "jitter": 0.003, "correlation": 0},
        "loss-random": {"loss": 0.02, "correlation": 0},
        "rate": {"rate": 10000000, "packetoverhead": 0, "cellsize": 0, "celloverhead": 0},
        "ecn": False,
        "gap": 0,
    }
    told = [{"kind": "netem", "handle": "8001:", "root": True, "refcnt": 2, "options": options}]
    assert quality_by_netem(json.dumps(told)) == LinkQuality(20.5, 3, 2, 80)
    unlimited = {"limit": 1000, "rate": {"rate": 12_500_000_000}}
    assert quality_by_netem(json.dumps([{"kind": "netem", "options": unlimited}])) == LinkQuality()


def test_a_device_that_nobody_shaped_does_nothing_to_packets() -> None:
    assert quality_by_netem('[{"kind":"noqueue","handle":"0:","root":true,"options":{}}]') == LinkQuality()


def test_the_quality_is_read_back_from_wirefilter() -> None:
    told = """0000 DATA END WITH '.'
WireFilter: bidirectional
Loss   L->R 2.5+0U   R->L 2.5+0U
Lburst L->R 0+0U   R->L 0+0U
Delay  L->R 20.5+3U   R->L 20.5+3U
Dup    L->R 0+0U   R->L 0+0U
Bandw  L->R 1e+07+0U   R->L 1e+07+0U
MTU    L->R 0     R->L 0
Fifoness TRUE
.
1000 Success
"""
    assert quality_by_wirefilter(told) == LinkQuality(20.5, 3, 2.5, 80)
