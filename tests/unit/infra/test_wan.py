from __future__ import annotations

from infra.topology import LinkQuality
from infra.wan import wirefilter_commands


def test_wirefilter_is_told_delay_loss_and_bytes_per_second() -> None:
    assert wirefilter_commands(LinkQuality(20, 3, 2, 80)) == ["delay 20+3", "loss 2", "bandwidth 10000000"]


def test_a_clean_link_is_told_so_explicitly_lest_an_older_quality_stays() -> None:
    assert wirefilter_commands(LinkQuality()) == ["delay 0+0", "loss 0", "bandwidth 0"]
