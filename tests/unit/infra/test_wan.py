from __future__ import annotations

from infra.topology import LinkQuality
from infra.wan import netem_arguments, wirefilter_commands


def test_wirefilter_is_told_delay_loss_and_bytes_per_second() -> None:
    assert wirefilter_commands(LinkQuality(20, 3, 2, 80)) == ["delay 20+3", "loss 2", "bandwidth 10000000"]


def test_a_clean_link_is_told_so_explicitly_lest_an_older_quality_stays() -> None:
    assert wirefilter_commands(LinkQuality()) == ["delay 0+0", "loss 0", "bandwidth 0"]


def test_netem_is_always_told_a_rate_since_it_keeps_packets_in_order_and_replaces_an_older_one() -> None:
    assert " ".join(netem_arguments(LinkQuality(20, 3, 2, 80))) == "netem delay 20ms 3ms loss 2% rate 80mbit"
    assert " ".join(netem_arguments(LinkQuality(2))) == "netem delay 2ms 0ms loss 0% rate 100gbit"
