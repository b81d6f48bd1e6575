"""The page stands alone, says what the verdict says, and swallows whatever a history holds."""

# ruff: noqa: ARG002 - stand-ins have the signature of what they stand in for

import re
from html.parser import HTMLParser

import pytest

from failover.drills.model import Event, EventType
from failover.drills.moments import Mark, Moments
from failover.drills.report import series, svg
from failover.drills.report.series import Axis

VOID = {"meta", "br", "link"}


class Wellformed(HTMLParser):
    """Fails on a tag that is closed wrongly or never."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(drill, tmp_path):
    def make(name, **changes):
        verdict = drill(name, **changes)
        return verdict, (tmp_path / "report" / "report.html").read_text()

    return make


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    _, text = page("site-loss")
    parser = Wellformed()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r"(src|href)\s*=|url\(|@import|fetch\(", text)
    assert set(re.findall(r"https?://[^\"' <]+", text)) == {"http://www.w3.org/2000/svg"}


def test_the_page_says_what_the_verdict_says(page):
    verdict, text = page("site-loss")
    assert "Passed" in text
    assert f"{verdict.rto_s:.2f} s" in text
    assert f"of {verdict.rpo.acknowledged:,} acknowledged" in text
    for check in verdict.checks:
        assert check.name.replace("'", "&#x27;") in text


def test_losses_are_shown(page):
    verdict, text = page("site-loss-async")
    assert "Failed, as it must" in text
    assert f">{verdict.rpo.lost:,}<" in text
    assert "all in findings.json" in text


def test_a_drill_that_never_recovered_has_a_page_too(page, world):
    world.never_promotes = True
    verdict, text = page("site-loss")
    assert verdict.rto_s is None
    assert "never" in text


def test_text_from_outside_stays_text(page, world):
    hostile = "<script>alert(1)</script>"
    world.after(2, lambda: setattr(world, "load_died", hostile))
    _, text = page("site-loss")
    assert hostile not in text
    assert "&lt;script&gt;alert(1)" in text


def test_buckets_count_what_ended_in_them():
    moments = Moments({Mark.LOAD: 0, Mark.FAULT: 10 * 10**9}, None)
    axis = Axis(moments)
    assert axis.seconds(0) == -10
    empty = series.buckets([], axis, -10, 0)
    assert len(empty) == 20
    assert all(bucket.writes == 0 and bucket.p50 is None for bucket in empty)


@pytest.mark.parametrize(
    ("values", "percent", "expected"), [([], 50, None), ([3, 1, 2], 50, 2), ([1], 99, 1)]
)
def test_percentiles(values, percent, expected):
    assert series.percentile(values, percent) == expected


def test_a_scale_maps_its_ends():
    linear = svg.Scale(0, 10, 100, 200)
    assert (linear(0), linear(10), linear.clamp(99)) == (100, 200, 200)
    logarithmic = svg.Scale(1, 1000, 0, 300, logarithmic=True)
    assert (logarithmic(10), logarithmic(0.1)) == (100, 0)
    assert svg.Scale(5, 5, 0, 1)(5) == 0


def test_ticks_are_round():
    assert svg.ticks(0, 9.5, 5) == [0, 2, 4, 6, 8]
    assert svg.ticks(-25, 40, 6) == [-20, 0, 20, 40]


def test_a_line_is_interrupted_where_nothing_is_known():
    assert svg.line([(0, 1), (1, 2), None, (5, 5)]).count("M") == 2
    assert svg.line([None]) == ""


def observed(function, at_s, **more):
    return Event(t_ns=at_s * 10**9, type=EventType.OBSERVE, proc="observer", function=function, **more)


def test_a_lane_joins_samples_of_one_state():
    samples = [
        observed("writer", 0, node="dc1-db1", state="accepted"),
        observed("writer", 1, node="dc1-db1", state="accepted"),
        observed("writer", 2, node="dc1-db1", state="unreachable"),
        observed("leader", 0, node="dc1-db1"),
        observed("leader", 2),
        observed("entry", 0, route="dc1", state="writes", node="10.77.1.21"),
        observed("entry", 2, route="dc1", err="timed out"),
    ]
    axis = Axis(Moments({Mark.LOAD: 0}, None))
    lanes = series.lanes(samples, axis, {"10.77.1.21": "dc1-db1"})
    assert [lane.name for lane in lanes] == ["entry dc1", "leader key", "dc1-db1"]
    assert [[stretch.label for stretch in lane.stretches] for lane in lanes] == [
        ["writes → dc1-db1", "no answer"],
        ["dc1-db1", "free"],
        ["accepts writes", "down"],
    ]
    assert (lanes[2].stretches[0].start_s, lanes[2].stretches[0].end_s) == (0, 2)
