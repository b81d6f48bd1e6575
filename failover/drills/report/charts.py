"""The report's three drawings: the drill as a whole, the load over time, the failover close up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from failover.drills.moments import Mark, Moments
from failover.drills.report import svg
from failover.drills.report.series import BUCKET_S, Axis, Bucket, Flag, Lane, Stretch
from failover.drills.report.svg import Scale, element, text
from failover.drills.verdict import Phases

WIDTH = 1120
LEFT, RIGHT = 96, 1104
LABEL = 11  # font size of labels, in pixels
ROW = 18  # height of a row of flags
LANE = 24  # height of a lane

# A stretch narrower than this, in pixels, is drawn without its label.
LABEL_PADDING = 14


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of a stack that shares the time axis."""

    title: str
    unit: str
    height: int


def drawing(height: float, content: Sequence[str], label: str, **attributes: object) -> str:
    return element(
        "svg",
        "".join(content),
        viewBox=f"0 0 {WIDTH} {round(height)}",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
        **attributes,
    )


# -- the drill as a whole ----------------------------------------------------------------------------

_CHAPTERS = (
    (Mark.LOAD, Mark.BASELINE, "warm-up", "quiet"),
    (Mark.BASELINE, Mark.FAULT, "baseline", "calm"),
    (Mark.FAULT, Mark.RECOVERED, "until writes are back", "bad"),
    (Mark.RECOVERED, Mark.LOAD_STOPPED, "after", "calm"),
    (Mark.HEALING, Mark.HEALED, "healing", "warn"),
    (Mark.HEALED, Mark.PARITY, "to parity", "good"),
    (Mark.PARITY, Mark.RESTORED, "compare, return", "quiet"),
)


def overview(moments: Moments, axis: Axis) -> str:
    """Draw the parts of the drill one after the other, to scale."""
    times = [axis.seconds(t_ns) for t_ns in moments.at_ns.values()]
    if len(times) <= 1:
        return ""
    x = Scale(min(times), max(times), 8, WIDTH - 8)
    parts = []
    for start, end, name, tone in _CHAPTERS:
        window = moments.window(start, end)
        if window is None or window.seconds <= 0:
            continue
        left, right = x(axis.seconds(window.start_ns)), x(axis.seconds(window.end_ns))
        parts.append(_chapter(left, right, f"{name} {window.seconds:.1f} s", tone))
    return drawing(34, parts, "The parts of the drill to scale", klass="overview")


def _chapter(left: float, right: float, words: str, tone: str) -> str:
    body = element(
        "rect",
        title(words),
        x=left,
        y=4,
        width=max(right - left - 1, 1),
        height=26,
        rx=3,
        klass=f"chapter {tone}",
    )
    if right - left < svg.width_of(words, LABEL) + LABEL_PADDING:
        return body
    return body + text((left + right) / 2, 21, words, klass=f"label middle {tone}")


def title(words: str) -> str:
    return f"<title>{escape(words)}</title>"


# -- the load over time ------------------------------------------------------------------------------

THROUGHPUT = Panel("Throughput", "per second", 170)
FAILURES = Panel("Failed attempts", "per second", 80)
LATENCY = Panel("Latency", "ms, logarithmic", 150)
GAP = 34


def load_over_time(
    buckets: Sequence[Bucket], flags: Sequence[Flag], outage: tuple[float, float] | None
) -> str:
    """Draw throughput, failed attempts and latency under the flags of what happened."""
    start, end = buckets[0].at_s, buckets[-1].at_s + BUCKET_S
    x = Scale(start, end, LEFT, RIGHT)
    shown = [flag for flag in flags if start <= flag.at_s <= end]
    head, rows = _flags(shown, x)
    top = 14 + rows * ROW + 22
    bottom = top + THROUGHPUT.height + FAILURES.height + LATENCY.height + 2 * GAP
    parts = [_shade(outage, x, top, bottom), *_flag_lines(shown, x, top, bottom), *head]
    y = top
    for panel, draw in ((THROUGHPUT, _throughput), (FAILURES, _failures), (LATENCY, _latency)):
        parts.append(_panel_title(panel, y))
        parts += draw(buckets, x, y, panel.height)
        y += panel.height + GAP
    parts.append(_time_axis(x, bottom))
    parts.append(element("line", x1=0, x2=0, y1=top, y2=bottom, klass="cursor", id="cursor"))
    return drawing(bottom + 34, parts, "Throughput, failures and latency over time", id="load")


def _throughput(buckets: Sequence[Bucket], x: Scale, top: float, height: float) -> list[str]:
    highest = max(1.0, *(bucket.writes + bucket.reads for bucket in buckets))
    y = Scale(0, highest * 1.08, top + height, top)
    step = x(BUCKET_S) - x(0)
    both = [(x(bucket.at_s), y(bucket.writes + bucket.reads)) for bucket in buckets]
    writes = [(x(bucket.at_s), y(bucket.writes)) for bucket in buckets]
    return [
        *_grid(y, 4),
        svg.steps(both, step, y(0), klass="area reads"),
        svg.steps(writes, step, y(0), klass="area writes"),
        *_legend((("writes", "acknowledged writes"), ("reads", "reads")), top),
    ]


def _failures(buckets: Sequence[Bucket], x: Scale, top: float, height: float) -> list[str]:
    y = Scale(0, max(max(bucket.failed for bucket in buckets) * 1.08, 1), top + height, top)
    step = x(BUCKET_S) - x(0)
    failed = [(x(bucket.at_s), y(bucket.failed)) for bucket in buckets]
    return [*_grid(y, 2), svg.steps(failed, step, y(0), klass="area failed")]


def _latency(buckets: Sequence[Bucket], x: Scale, top: float, height: float) -> list[str]:
    known = [value for bucket in buckets for value in (bucket.p50, bucket.p99) if value is not None]
    low, high = _decades(known)
    y = Scale(low, high, top + height, top, logarithmic=True)
    middle = BUCKET_S / 2

    def curve(read: Callable[[Bucket], float | None], klass: str) -> str:
        points = [None if (v := read(b)) is None else (x(b.at_s + middle), y(v)) for b in buckets]
        return svg.line(points, klass=f"curve {klass}")

    return [
        *_log_grid(y),
        curve(lambda bucket: bucket.p99, "p99"),
        curve(lambda bucket: bucket.p95, "p95"),
        curve(lambda bucket: bucket.p50, "p50"),
        *_legend((("p50", "p50"), ("p95", "p95"), ("p99", "p99")), top),
    ]


def _decades(values: Sequence[float]) -> tuple[float, float]:
    low = high = 1.0
    if values:
        while low > max(min(values), 0.1):
            low /= 10
        while low * 10 < min(values):
            low *= 10
    high = low * 10
    while values and high < max(values):
        high *= 10
    return low, high


# -- the failover close up ---------------------------------------------------------------------------

_PHASES = (
    ("detect", "detect"),
    ("release", "release"),
    ("promote", "promote"),
    ("route", "route"),
    ("first_write", "first write"),
)


def close_up(lanes: Sequence[Lane], phases: Phases, start_s: float, end_s: float) -> str:
    """Draw who served and who wrote around the fault, and the phases of the failover beneath."""
    x = Scale(start_s, end_s, LEFT, RIGHT)
    parts, y = [], 8.0
    for lane in lanes:
        parts.append(text(LEFT - 8, y + LANE / 2 + 2, lane.name, klass="label end"))
        parts += [_stretch(stretch, x, y) for stretch in lane.stretches]
        y += LANE
    y += 8
    parts.append(text(LEFT - 8, y + LANE / 2 + 2, "phases", klass="label end strong"))
    parts += _phase_bars(phases, x, y)
    y += LANE + 4
    parts.append(element("line", x1=x.clamp(0), x2=x.clamp(0), y1=2, y2=y, klass="flagline bad"))
    parts.append(_time_axis(x, y))
    return drawing(y + 34, parts, "Entries, leader key and nodes around the fault")


def _stretch(stretch: Stretch, x: Scale, y: float) -> str:
    if stretch.end_s < x.low or stretch.start_s > x.high:
        return ""
    left, right, label = x.clamp(stretch.start_s), x.clamp(stretch.end_s), stretch.label
    width = max(right - left - 0.6, 0.8)
    body = element(
        "rect",
        title(f"{label}, {stretch.start_s:.2f} to {stretch.end_s:.2f} s"),
        x=left,
        y=y,
        width=width,
        height=LANE - 6,
        rx=2,
        klass=f"stretch {stretch.tone}",
    )
    if width < svg.width_of(label, LABEL) + LABEL_PADDING:
        return body
    return body + text(left + 7, y + LANE / 2 + 1, label, klass=f"label {stretch.tone}")


def _phase_bars(phases: Phases, x: Scale, y: float) -> list[str]:
    bars, start = [], 0.0
    for number, (field, name) in enumerate(_PHASES):
        length = getattr(phases, field)
        if not length:
            continue
        left, right = x.clamp(start), x.clamp(start + length)
        words = f"{name} {length:.2f} s"
        bars.append(
            element(
                "rect",
                title(words),
                x=left,
                y=y,
                width=max(right - left - 0.6, 1),
                height=LANE - 6,
                rx=2,
                klass=f"phase p{number}",
            )
        )
        if right - left > svg.width_of(words, LABEL) + LABEL_PADDING:
            bars.append(text((left + right) / 2, y + LANE / 2 + 1, words, klass="label middle phase"))
        start += length
    return bars


# -- what the drawings share -------------------------------------------------------------------------


def _flags(flags: Sequence[Flag], x: Scale) -> tuple[list[str], int]:
    """Place the flags' labels in as few rows as they need; return them and the number of rows."""
    ends: list[float] = []
    drawn = []
    for flag in flags:
        width = svg.width_of(flag.text, LABEL) + LABEL_PADDING
        left = min(x(flag.at_s), RIGHT - width)
        row = next((number for number, end in enumerate(ends) if end <= left), len(ends))
        ends[row : row + 1] = [left + width + 4]
        y = 8 + row * ROW
        drawn.append(
            element("rect", x=left, y=y, width=width, height=ROW - 3, rx=3, klass=f"flag {flag.tone}")
        )
        drawn.append(text(left + width / 2, y + 11, flag.text, klass=f"label middle {flag.tone}"))
    return drawn, max(len(ends), 1)


def _flag_lines(flags: Sequence[Flag], x: Scale, top: float, bottom: float) -> list[str]:
    return [
        element(
            "line", x1=x(flag.at_s), x2=x(flag.at_s), y1=top - 16, y2=bottom, klass=f"flagline {flag.tone}"
        )
        for flag in flags
    ]


def _shade(outage: tuple[float, float] | None, x: Scale, top: float, bottom: float) -> str:
    if outage is None:
        return ""
    left, right = x.clamp(outage[0]), x.clamp(outage[1])
    return element("rect", x=left, y=top, width=round(right - left, 1), height=bottom - top, klass="outage")


def _panel_title(panel: Panel, top: float) -> str:
    return text(LEFT, top - 7, panel.title, klass="label strong") + text(
        LEFT + svg.width_of(panel.title, LABEL) + 14, top - 7, panel.unit, klass="label faint"
    )


def _legend(items: Sequence[tuple[str, str]], top: float) -> list[str]:
    right, drawn = float(RIGHT), []
    for klass, words in reversed(items):
        right -= svg.width_of(words, LABEL) + 26
        drawn.append(
            element("rect", x=round(right, 1), y=top - 16, width=12, height=9, rx=2, klass=f"key {klass}")
        )
        drawn.append(text(round(right + 17, 1), top - 8, words, klass="label"))
    return drawn


def _grid(y: Scale, about: int) -> list[str]:
    return [_grid_line(y(value), f"{value:g}") for value in svg.ticks(y.low, y.high, about)]


def _log_grid(y: Scale) -> list[str]:
    values, value = [], y.low
    while value <= y.high * 1.001:
        values.append(value)
        value *= 10
    return [_grid_line(y(value), f"{value:g}") for value in values]


def _grid_line(y: float, words: str) -> str:
    return element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, klass="grid") + text(
        LEFT - 8, y + 4, words, klass="label end faint"
    )


def _time_axis(x: Scale, y: float) -> str:
    marks = "".join(
        element("line", x1=x(value), x2=x(value), y1=y, y2=y + 4, klass="axis")
        + text(x(value), y + 16, f"{value:+g} s" if value else "fault", klass="label middle faint")
        for value in svg.ticks(x.low, x.high, 12)
    )
    return element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, klass="axis") + marks
