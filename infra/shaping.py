"""A link's quality in the words of the two programs that make it, and read back from them. Pure.

netem: tc-netem(8), and iproute2's q_netem.c for its JSON (seconds, shares of 1, bytes a second).
wirefilter: wirefilter(1); `showinfo` tells milliseconds, percent and bytes a second, each as value+noise.
"""

from __future__ import annotations

import json
import math
import re

from infra.topology import LinkQuality

# netem drops what its queue cannot hold, 1000 packets unless told otherwise: too few for a fast link with a
# long delay, and loss that nobody ordered. The queue holds what is under way; more than this many packets a
# second do not cross the lab's links.
_PACKETS_PER_S = 200_000
_QUEUE_MIN = 1000
_PACKET_BYTES = 1500
# A rate that nothing here reaches; without any, netem lets jitter put packets out of order.
_UNLIMITED_MBIT = 100_000.0

_NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]\d+)?)"
_WIREFILTER_LINE = re.compile(rf"^(\w+)\s+L->R {_NUMBER}\+{_NUMBER}", re.MULTILINE)


def netem_arguments(quality: LinkQuality) -> list[str]:
    """The qdisc of this quality (tc-netem(8)). A rate, even an unreachable one, keeps packets in order."""
    delay = ["delay", f"{quality.delay_ms:g}ms", f"{quality.jitter_ms:g}ms"]
    loss = ["loss", f"{quality.loss_percent:g}%"]
    rate = ["rate", f"{quality.rate_mbit or _UNLIMITED_MBIT:.0f}mbit"]
    return ["netem", "limit", str(_queue(quality)), *delay, *loss, *rate]


def _queue(quality: LinkQuality) -> int:
    """How many packets may be under way in one direction."""
    by_rate = quality.rate_mbit * 1_000_000 / 8 / _PACKET_BYTES
    per_s = min(by_rate, _PACKETS_PER_S) if by_rate else _PACKETS_PER_S
    return _QUEUE_MIN + math.ceil(per_s * (quality.delay_ms + quality.jitter_ms) / 1000)


def quality_by_netem(qdiscs: str) -> LinkQuality:
    """The quality that `tc -j qdisc show dev DEVICE` tells; none by a device without netem."""
    shaped = [each for each in json.loads(qdiscs) if each["kind"] == "netem"]
    options = shaped[0]["options"] if shaped else {}
    delay, rate_mbit = options.get("delay", {}), options.get("rate", {}).get("rate", 0) * 8 / 1_000_000
    return LinkQuality(
        delay_ms=round(delay.get("delay", 0) * 1000, 3),
        jitter_ms=round(delay.get("jitter", 0) * 1000, 3),
        loss_percent=round(options.get("loss-random", {}).get("loss", 0) * 100, 3),
        rate_mbit=0.0 if rate_mbit >= _UNLIMITED_MBIT else round(rate_mbit, 3),
    )


def wirefilter_commands(quality: LinkQuality) -> list[str]:
    """The management commands that give both directions this quality (wirefilter(1))."""
    bytes_per_s = int(quality.rate_mbit * 1_000_000 / 8)
    return [
        f"delay {quality.delay_ms:g}+{quality.jitter_ms:g}",
        f"loss {quality.loss_percent:g}",
        f"bandwidth {bytes_per_s}",
    ]


def quality_by_wirefilter(info: str) -> LinkQuality:
    """The quality that `showinfo` tells of the first direction; both are always given the same."""
    told = {what: (float(value), float(noise)) for what, value, noise in _WIREFILTER_LINE.findall(info)}
    delay, jitter = told["Delay"]
    return LinkQuality(delay, jitter, told["Loss"][0], round(told["Bandw"][0] * 8 / 1_000_000, 3))
