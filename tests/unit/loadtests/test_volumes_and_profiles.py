"""The rates are the seeds', and the profiles reach them."""

import pytest

from loadtests.profiles import FEED_RATE, OPERATORS_RATE, PROFILES, STEADY_FACTOR, Kind, groups, roles
from loadtests.volumes import TRANSACTIONS_A_BATCH, average, busy_hour_factor

OF_THE_FIRST_SLICE = {Kind.FEED, Kind.OPERATOR, Kind.PORTAL}
OF_THE_WHOLE_CRM = {Kind.WINDOW, Kind.SEARCH, Kind.WRITER, Kind.CLIENT, Kind.PROCESSING}
KINDS = {
    **dict.fromkeys(("smoke", "steady", "peak"), OF_THE_FIRST_SLICE),
    **dict.fromkeys(("roles-smoke", "roles"), OF_THE_WHOLE_CRM),
    "operators": {Kind.DESK},
    "feed": {Kind.PROCESSING},
}


def test_the_seeds_volume_in_a_second():
    assert average().card_transactions == pytest.approx(30_000_000 / (30 * 86_400))
    assert average().hotline_requests + average().portal_requests == pytest.approx(2_500 / 86_400)


def test_steady_is_ten_times_the_average():
    assert STEADY_FACTOR == 10
    steady = PROFILES["steady"].groups[Kind.FEED]
    assert steady.rate == pytest.approx(average().card_transactions * 10, rel=0.01)
    assert 115 < steady.rate < 118


def test_the_busiest_hour_is_a_tenth_of_the_day():
    assert busy_hour_factor() == pytest.approx(2.4)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_reaches_its_volume_with_someone_of_each_kind(profile):
    assert set(profile.groups) == KINDS[profile.name]
    assert profile.feed in profile.groups
    assert all(group.count >= 1 for group in profile.groups.values())
    assert profile.stages[0].at_s == 0
    shares = [stage.share for stage in profile.stages]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_the_fewest_users_who_reach_a_rate():
    found = [*groups(average().times(10)).values(), *roles(average().times(10)).values()]
    for group in found:
        assert group.count == 1 or (group.count - 1) / group.pace_s < group.rate


def test_a_stage_holds_until_the_next():
    peak = PROFILES["peak"]
    assert peak.stage_at(0) is peak.stages[0]
    assert peak.stage_at(peak.stages[1].at_s) is peak.stages[1]
    assert peak.stage_at(10_000) is peak.stages[-1]


def test_the_whole_crm_gets_the_seeds_volume():
    volume = average()
    assert volume.calls + volume.written_requests == pytest.approx(volume.hotline_requests)
    batches = PROFILES["roles"].groups[Kind.PROCESSING].rate
    assert batches * TRANSACTIONS_A_BATCH >= volume.card_transactions * STEADY_FACTOR


@pytest.mark.parametrize(("name", "due"), [("operators", OPERATORS_RATE), ("feed", FEED_RATE)])
def test_what_is_measured_has_to_reach_its_rate_and_is_offered_a_little_more(name, due):
    profile = PROFILES[name]
    offered = profile.groups[profile.feed].sends_rate
    assert offered * profile.thresholds.rate_share == pytest.approx(due)
    assert 1.04 * due < offered < 1.1 * due


def test_the_measured_rates_and_the_latency_are_those_of_issue_4():
    assert (OPERATORS_RATE, FEED_RATE) == (200, 1_000)
    assert PROFILES["operators"].thresholds.p99_ms == 50
    assert PROFILES["feed"].groups[Kind.PROCESSING].sends == TRANSACTIONS_A_BATCH
