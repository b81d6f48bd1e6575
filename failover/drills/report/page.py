"""Puts the report's page together: the verdict first, then the pictures, then the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from string import Template

from failover.drills import figures
from failover.drills.checker import Finding
from failover.drills.judge import Record
from failover.drills.moments import Mark, Moments
from failover.drills.report import charts, series
from failover.drills.report.series import Axis, Bucket
from failover.drills.verdict import Check, Phases, Verdict

# A verdict with thousands of findings has them in findings.json; the page shows the first.
FINDINGS_MAX = 25
# The close-up shows this much before the fault and after the service is back, in seconds.
BEFORE_S, AFTER_S = 2.0, 3.0
# Without a figure for the way back, the close-up shows this much after the fault.
UNKNOWN_S = 30.0


def render(verdict: Verdict, record: Record, findings: Sequence[Finding]) -> str:
    """Return the page as text."""
    package = files("failover.drills.report")
    moments = Moments.of(record.events)
    axis = Axis(moments)
    buckets = _buckets(record, moments, axis)
    return Template(package.joinpath("page.html").read_text("utf-8")).substitute(
        style=package.joinpath("style.css").read_text("utf-8"),
        script=package.joinpath("cursor.js").read_text("utf-8"),
        data=_embedded(buckets),
        name=escape(verdict.scenario),
        title=escape(record.scenario.title),
        story=escape(record.scenario.story),
        badge=_badge(verdict),
        when=escape(f"{verdict.started_at.replace('T', ' ').removesuffix('+00:00')} UTC"),
        run=escape(verdict.run_id),
        profile=escape(verdict.profile),
        seed=verdict.seed,
        machine=escape(_machine(verdict)),
        reasons=_reasons(verdict),
        tiles=_tiles(verdict, record),
        overview=charts.overview(moments, axis),
        load=_load_chart(record, moments, axis, buckets),
        close_up=_close_up(verdict, record, axis),
        checks=_checks(verdict.checks),
        aims=_aims(verdict),
        phases=_phases(verdict.phases),
        figures=_figures(verdict),
        versions=_rows(verdict.versions.items()),
        findings=_findings(findings),
    )


def _buckets(record: Record, moments: Moments, axis: Axis) -> tuple[Bucket, ...]:
    window = moments.window(Mark.LOAD, Mark.LOAD_STOPPED)
    if window is None:
        return ()
    start, end = axis.seconds(window.start_ns), axis.seconds(window.end_ns)
    return series.buckets(record.operations, axis, start, end)


def _load_chart(record: Record, moments: Moments, axis: Axis, buckets: Sequence[Bucket]) -> str:
    if not buckets:
        return '<p class="none">The load did not run.</p>'
    outage = figures.outage(record.operations, moments)
    shaded = None if outage is None else (axis.seconds(outage.start_ns), axis.seconds(outage.end_ns))
    return charts.load_over_time(buckets, series.flags(record.events, moments, axis), shaded)


def _close_up(verdict: Verdict, record: Record, axis: Axis) -> str:
    names = {host.address: host.name for host in record.estate.hosts}
    lanes = series.lanes(record.events, axis, names)
    if not lanes:
        return '<p class="none">The observer saw nothing.</p>'
    end = (UNKNOWN_S if verdict.rto_s is None else verdict.rto_s) + AFTER_S
    return charts.close_up(lanes, verdict.phases, -BEFORE_S, end)


def _badge(verdict: Verdict) -> str:
    if verdict.passed:
        return '<span class="badge good">Passed</span>'
    words = "Failed, as it must" if verdict.must_fail else "Failed"
    return f'<span class="badge {"warn" if verdict.must_fail else "bad"}">{words}</span>'


def _reasons(verdict: Verdict) -> str:
    if not verdict.reasons:
        return ""
    return f'<ul class="reasons">{"".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)}</ul>'


def _tiles(verdict: Verdict, record: Record) -> str:
    budget, rpo, requests = record.budget, verdict.rpo, verdict.requests
    late = verdict.rto_s is None or verdict.rto_s > budget.rto_s
    stall_limit = budget.write_stall_max_s
    stall = verdict.write_stall_max_s
    stalled = stall is None or (stall_limit is not None and stall > stall_limit)
    stored_wrongly = rpo.duplicated != 0 or rpo.phantom != 0
    return "".join(
        (
            _tile("Service back", _s(verdict.rto_s), f"limit {budget.rto_s:g} s", late),
            _tile("Lost", _counted(rpo.lost), f"of {rpo.acknowledged:,} acknowledged", rpo.lost != 0),
            _tile(
                "Doubled, phantom",
                _counted(rpo.duplicated, rpo.phantom),
                "writes stored wrongly",
                stored_wrongly,
            ),
            _tile("Longest write stall", _s(stall), _limit(stall_limit), stalled),
            _tile(
                "Writers at once", str(verdict.writers_max), "nodes at one moment", verdict.writers_max != 1
            ),
            _tile(
                "Given up",
                f"{requests.gave_up:,}",
                f"of {requests.operations:,} operations",
                requests.gave_up > 0,
            ),
        )
    )


def _tile(name: str, value: str, note: str, bad: bool) -> str:
    return (
        f'<div class="tile{" bad" if bad else ""}"><div class="name">{escape(name)}</div>'
        f'<div class="value">{escape(value)}</div><div class="note">{escape(note)}</div></div>'
    )


def _counted(*counts: int | None) -> str:
    known = [f"{count:,}" for count in counts if count is not None]
    return ", ".join(known) or "not compared"


def _limit(limit: float | None) -> str:
    return "no limit set" if limit is None else f"limit {limit:g} s"


def _s(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.2f} s"


def _aims(verdict: Verdict) -> str:
    if not verdict.aims:
        return ""
    return f'<h3>Aims of the orchestrator</h3><table class="checks">{_checks(verdict.aims)}</table>'


def _checks(checks: Iterable[Check]) -> str:
    return "".join(
        f'<tr><td class="{"good" if check.passed else "bad"}">{"✓" if check.passed else "✗"}</td>'
        f"<td>{escape(check.name)}</td><td>{escape(check.detail)}</td></tr>"
        for check in checks
    )


def _phases(phases: Phases) -> str:
    meaning = {
        "detect": "until the system noticed",
        "release": "until the leader key was free",
        "promote": "until another node accepted a write",
        "route": "until an entry led there",
        "first_write": "until a client's write was acknowledged",
    }
    return "".join(
        f"<tr><td>{name.replace('_', ' ')}</td><td>{meaning[name]}</td><td class=number>"
        f"{'–' if length is None else f'{length:.3f} s'}</td></tr>"
        for name, length in asdict(phases).items()
    )


def _figures(verdict: Verdict) -> str:
    rate, requests, fed = verdict.throughput, verdict.requests, verdict.card_transactions
    events, hooks = verdict.events, verdict.webhooks
    return _rows(
        (
            ("requests, all attempts", f"{requests.total:,}"),
            ("attempts without success", f"{requests.failed:,}"),
            ("operations", f"{requests.operations:,}"),
            ("operations refused", f"{requests.refused:,}"),
            ("writes of unknown outcome", f"{verdict.rpo.unknown:,}"),
            ("card transactions acknowledged", f"{fed.acknowledged:,}"),
            ("card transactions before", _rate(fed.throughput.before_rps, "transactions")),
            ("card transactions after", _rate(fed.throughput.after_rps, "transactions")),
            ("events told by the feed", f"{events.told:,} of {events.writes:,} writes"),
            ("events missing, phantom", f"{events.missing:,}, {_counted(events.phantom)}"),
            ("events disordered, changed", f"{events.disordered:,}, {events.retold:,}"),
            ("cursors broken", f"{events.cursors:,}"),
            ("an event told after its write, median", _s(events.delay_median_s)),
            ("the latest of writes before the fault", _s(events.delay_max_before_s)),
            ("the latest of all", _s(events.delay_max_s)),
            ("events delivered by webhooks", f"{hooks.delivered:,} of {hooks.writes:,} writes"),
            (
                "attempts, put off on purpose, repeated",
                _counts(hooks.attempts, hooks.put_off, hooks.repeated),
            ),
            ("deliveries missing, phantom", f"{hooks.missing:,}, {_counted(hooks.phantom)}"),
            (
                "deliveries disordered, changed, forged",
                _counts(hooks.disordered, hooks.changed, hooks.forged),
            ),
            ("an event delivered after its write, median", _s(hooks.delay_median_s)),
            ("the latest delivery of writes before the fault", _s(hooks.delay_max_before_s)),
            ("the latest delivery of all", _s(hooks.delay_max_s)),
            ("throughput before", _rate(rate.before_rps)),
            ("throughput until recovered", _rate(rate.during_rps)),
            ("throughput after", _rate(rate.after_rps)),
            ("healing", _s(verdict.healing_s)),
            ("healing until parity", _s(verdict.parity_s)),
            ("the whole drill", f"{verdict.duration_s:.0f} s"),
        )
    )


def _counts(*counts: int) -> str:
    return ", ".join(f"{count:,}" for count in counts)


def _rate(rate: float | None, unit: str = "operations") -> str:
    return "–" if rate is None else f"{rate:g} {unit}/s"


def _rows(items: Iterable[tuple[str, str]]) -> str:
    return "".join(
        f"<tr><td>{escape(name)}</td><td class=number>{escape(value)}</td></tr>" for name, value in items
    )


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    rows = "".join(
        f"<tr><td>{escape(finding.violation.name.replace('_', ' ').lower())}</td>"
        f"<td><code>{escape(finding.subject)}</code></td><td>{escape(finding.detail)}</td></tr>"
        for finding in findings[:FINDINGS_MAX]
    )
    more = (
        f"the first {FINDINGS_MAX} of {len(findings):,}"
        if len(findings) > FINDINGS_MAX
        else f"{len(findings)}"
    )
    return (
        f"<section><h2>Findings <small>{more}, all in findings.json</small></h2><table>"
        f"<tr><th>what</th><th>of</th><th>found</th></tr>{rows}</table></section>"
    )


def _machine(verdict: Verdict) -> str:
    machine = verdict.machine
    hardware = f"{machine.cores} cores of {machine.cpu}, {machine.memory_gib:g} GiB"
    disks = f", hosts' disks in {machine.disks}" if machine.disks else ""
    return f"{hardware}, {machine.system}, Linux {machine.kernel}{disks}"


def _embedded(buckets: Sequence[Bucket]) -> str:
    """Return the buckets for the page's script; JSON within a script element may not end it."""
    rows = [[round(b.at_s, 2), b.writes, b.reads, b.failed, b.p50, b.p95, b.p99] for b in buckets]
    frame = {"left": charts.LEFT, "right": charts.RIGHT, "width": charts.WIDTH, "step": series.BUCKET_S}
    return json.dumps({"rows": rows, **frame}).replace("<", "\\u003c")
