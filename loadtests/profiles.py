"""Load profiles, as data: how many users of each kind, at which pace, in which shape, judged how.

Users and paces are computed from volumes by Little's law: users = arrivals a second x seconds each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from loadtests.volumes import HANDLE_TIME_S, TRANSACTIONS_A_BATCH, Volume, average, busy_hour_factor


class Kind(StrEnum):
    """The kinds of users; also the first part of their `proc` in the history."""

    FEED = "feed"
    OPERATOR = "operator"
    PORTAL = "portal"
    # The whole CRM (loadtests/roles.py).
    WINDOW = "window"
    SEARCH = "search"
    WRITER = "writer"
    CLIENT = "client"
    PROCESSING = "processing"
    # Operators without a pause, to measure how long each step takes.
    DESK = "desk"


# One system with many channels: what one channel learns of an entry, all know.
SYSTEMS = frozenset({Kind.FEED, Kind.PROCESSING})


@dataclass(frozen=True, slots=True)
class Group:
    """Users of one kind: `count` of them, each beginning a task every `pace_s` seconds.

    `sends` is how many requests a task of operators makes, or how many card transactions a batch has.
    """

    count: int
    pace_s: float
    sends: int = 1

    @property
    def rate(self) -> float:
        """Return the tasks a second of the whole group."""
        return self.count / self.pace_s

    @property
    def sends_rate(self) -> float:
        """Return what the whole group sends in a second."""
        return self.rate * self.sends


@dataclass(frozen=True, slots=True)
class Stage:
    """From `at_s` on, `share` of all users work; they come within `ramp_s`. Shares only rise."""

    at_s: float
    share: float
    ramp_s: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a run without faults must keep. Latencies of whole operations in ms, ratios of attempts."""

    p95_ms: float
    p99_ms: float
    failed_ratio: float
    gave_up: int = 0
    rate_share: float = 0.9  # of what the judged group would send, once all users work


@dataclass(frozen=True, slots=True)
class Profile:
    """`feed` is the group whose rate is judged: nobody's thinking stands between its operations."""

    name: str
    story: str
    groups: dict[Kind, Group]
    stages: tuple[Stage, ...]
    thresholds: Thresholds
    feed: Kind = Kind.FEED

    @property
    def users(self) -> int:
        return sum(group.count for group in self.groups.values())

    def stage_at(self, elapsed_s: float) -> Stage:
        """Return the stage that holds `elapsed_s` seconds after the start."""
        return max((stage for stage in self.stages if stage.at_s <= elapsed_s), key=lambda stage: stage.at_s)


# A channel of the feed sends one transaction after the other, so its pace bounds what it can send. Two a
# second leave it idle nine tenths of the time on a healthy estate, and give an outage many witnesses.
FEED_PACE_S = 0.5
# A drill lasts a minute or two. A call's two minutes are compressed, so that within it requests are
# registered, taken and closed on both sides of the fault; the rate of calls stays the seed's.
COMPRESSION = 10
# A portal user who looks every ten minutes would be seen once a drill; fewer users look more often.
PORTAL_PACE_S = 2.0
# Of the whole CRM's users: those who look somebody up, those who write, and batches of card transactions.
SEARCH_PACE_S = 2.0
WRITER_PACE_S = 5.0
BATCH_PACE_S = 2.0
# An operator at the desk does one step after the other. The shorter the pace, the fewer users, each of whom
# has a TLS connection; but the steps have to fit into it.
DESK_PACE_S = 0.5
DESK_STEPS = ("search", "get_customer", "request", "take", "close")


def groups(volume: Volume) -> dict[Kind, Group]:
    """Return the users that produce this volume, at least one of each kind."""
    handle_s = HANDLE_TIME_S / COMPRESSION
    return {
        Kind.FEED: _group(volume.card_transactions, FEED_PACE_S),
        Kind.OPERATOR: _group(volume.hotline_requests, handle_s),
        Kind.PORTAL: _group(volume.portal_looks, PORTAL_PACE_S),
    }


def roles(volume: Volume) -> dict[Kind, Group]:
    """Return the users of the whole CRM that produce this volume, at least one of each kind."""
    return {
        Kind.WINDOW: _group(volume.calls, HANDLE_TIME_S / COMPRESSION),
        Kind.SEARCH: _group(volume.searches, SEARCH_PACE_S),
        Kind.WRITER: _group(volume.written_requests, WRITER_PACE_S),
        Kind.CLIENT: _group(volume.portal_looks, PORTAL_PACE_S),
        Kind.PROCESSING: batches(volume.card_transactions, BATCH_PACE_S),
    }


def batches(transactions_rate: float, pace_s: float) -> Group:
    """Return the channels that send so many card transactions a second, in batches."""
    return _group(transactions_rate / TRANSACTIONS_A_BATCH, pace_s, sends=TRANSACTIONS_A_BATCH)


def desk(requests_rate: float) -> Group:
    """Return the operators whose steps make up so many requests a second."""
    return _group(requests_rate / len(DESK_STEPS), DESK_PACE_S, sends=len(DESK_STEPS))


def _group(rate: float, pace_s: float, sends: int = 1) -> Group:
    """Return the fewest users, at least one, who reach the rate at this pace."""
    return Group(max(1, math.ceil(rate * pace_s)), pace_s, sends)


def _of_roles(name: str, story: str, factor: float, limits: Thresholds) -> Profile:
    users = roles(average().times(factor))
    return Profile(name, story, users, ALL_AT_ONCE, limits, feed=Kind.PROCESSING)


def _measuring(
    name: str, story: str, users: tuple[Kind, Group], due_rate: float, limits: Thresholds
) -> Profile:
    """One kind of users alone, who have to send so much in a second."""
    kind, group = users
    limits = replace(limits, rate_share=due_rate / group.sends_rate)
    return Profile(name, story, {kind: group}, ALL_AT_ONCE, limits, feed=kind)


def _profile(name: str, story: str, factor: float, stages: tuple[Stage, ...], limits: Thresholds) -> Profile:
    return Profile(name, story, groups(average().times(factor)), stages, limits)


# Issue 2: steady is ten times the average of the seeds.
STEADY_FACTOR = 10
RAMP_S = 6.0
ALL_AT_ONCE = (Stage(0, 1.0, RAMP_S),)
# Issue 4: the operators' requests a second, and the card transactions that the feed sends in batches. A
# twentieth more is offered than has to be reached, as no pause is shorter than asked for and some are longer.
OPERATORS_RATE = 200
FEED_RATE = 1_000
OFFERED = 1.05
FEED_BATCH_PACE_S = 1.0

_ALL = (
    _profile(
        "smoke",
        "the seeds' own average",
        1,
        ALL_AT_ONCE,
        Thresholds(p95_ms=250, p99_ms=1000, failed_ratio=0.0),
    ),
    _profile(
        "steady",
        "ten times the seeds' average",
        STEADY_FACTOR,
        ALL_AT_ONCE,
        Thresholds(p95_ms=250, p99_ms=1000, failed_ratio=0.0),
    ),
    _profile(
        "peak",
        "the busiest hour of an estate ten times the seeds', rising in steps",
        STEADY_FACTOR * busy_hour_factor(),
        (Stage(0, 0.5, RAMP_S), Stage(20, 0.75, 5), Stage(40, 1.0, 5)),
        Thresholds(p95_ms=500, p99_ms=2000, failed_ratio=0.001),
    ),
    _of_roles(
        "roles-smoke",
        "everybody of the whole CRM, at the seeds' own average",
        1,
        Thresholds(p95_ms=250, p99_ms=1000, failed_ratio=0.0),
    ),
    _of_roles(
        "roles",
        "everybody of the whole CRM, at ten times the seeds' average",
        STEADY_FACTOR,
        Thresholds(p95_ms=250, p99_ms=1000, failed_ratio=0.0),
    ),
    _measuring(
        "operators",
        "operators who search, open the card, register, take and close without a pause",
        (Kind.DESK, desk(OPERATORS_RATE * OFFERED)),
        OPERATORS_RATE,
        Thresholds(p95_ms=50, p99_ms=50, failed_ratio=0.0),
    ),
    _measuring(
        "feed",
        "the processing system, a thousand card transactions a second in batches",
        (Kind.PROCESSING, batches(FEED_RATE * OFFERED, FEED_BATCH_PACE_S)),
        FEED_RATE,
        Thresholds(p95_ms=250, p99_ms=1000, failed_ratio=0.0),
    ),
)

PROFILES = {profile.name: profile for profile in _ALL}
