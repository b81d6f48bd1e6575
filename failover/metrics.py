"""The agent's figures in Prometheus' text format, and the port on which the operator's monitoring asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from failover.decide import Decision, Policy
from failover.exposure import Exposure

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Figures:
    """What an agent knows; `decision`, `exposure` and `tree_mismatches` only while it is in office."""

    policy: Policy
    connected: bool
    epoch: int = -1
    decision: Decision | None = None
    operation: str | None = None
    exposure: Exposure | None = None
    exposed: bool = False
    firing: tuple[tuple[str, str], ...] = ()
    alarms_delivered: int = 0
    alarms_failed: int = 0
    tree_mismatches: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sample:
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Metric:
    name: str
    kind: str
    says: str
    samples: tuple[_Sample, ...]


def render(figures: Figures) -> str:
    """Everything, one metric after the other. What is not known is left out, never 0."""
    lines: list[str] = []
    for metric in _metrics(figures):
        if metric.samples:
            lines.append(f"# HELP {metric.name} {metric.says}")
            lines.append(f"# TYPE {metric.name} {metric.kind}")
            lines.extend(_line(metric.name, sample) for sample in metric.samples)
    return "\n".join(lines) + "\n"


def _metrics(figures: Figures) -> Iterable[_Metric]:
    policy = {"mode": str(figures.policy.mode), "durability": str(figures.policy.durability)}
    yield _gauge("twinsite_agent_policy", "By which policy this agent judges.", _Sample(1, policy))
    yield _gauge("twinsite_agent_connected", "1 with a ZooKeeper session.", _Sample(figures.connected))
    yield _gauge("twinsite_agent_in_office", "1 while this agent decides.", _Sample(figures.epoch >= 0))
    if figures.epoch >= 0:
        yield _gauge("twinsite_epoch", "The epoch of the agent in office.", _Sample(figures.epoch))
        running = [_Sample(1, {"id": figures.operation})] if figures.operation else []
        yield _gauge("twinsite_operation", "The operation under way.", *running)
    if figures.decision is not None:
        yield from _rulings(figures.decision)
    if figures.exposure is not None:
        yield from _exposure(figures.exposure, exposed=figures.exposed)
    yield _gauge(
        "twinsite_zookeeper_digest_mismatches",
        "How often a server, since it began, had another tree than its leader.",
        *(_Sample(count, {"host": host}) for host, count in sorted(figures.tree_mismatches.items())),
    )
    yield _gauge(
        "twinsite_alarm",
        "1 for each alarm that fires.",
        *(_Sample(1, {"rule": rule, "subject": subject}) for rule, subject in figures.firing),
    )
    yield _Metric(
        "twinsite_alarm_deliveries_total",
        "counter",
        "Alarms that the configured command took, or did not take at last.",
        (
            _Sample(figures.alarms_delivered, {"result": "delivered"}),
            _Sample(figures.alarms_failed, {"result": "failed"}),
        ),
    )


def _rulings(decision: Decision) -> Iterable[_Metric]:
    main = decision.rulings[0]
    yield _gauge(
        "twinsite_condition",
        "The gravest condition that was diagnosed.",
        _Sample(1, {"condition": str(main.finding.condition), "subject": main.finding.subject}),
    )
    yield _gauge(
        "twinsite_rule",
        "Each rule that holds; 1 if it acts or alarms now, 0 while something is against it.",
        *(
            _Sample(not ruling.against, {"rule": ruling.row.rule, "subject": ruling.finding.subject})
            for ruling in decision.rulings
        ),
    )


def _exposure(exposure: Exposure, *, exposed: bool) -> Iterable[_Metric]:
    yield _gauge("twinsite_exposed", "1 while no other site has a copy of new writes.", _Sample(exposed))
    figures = (
        ("writes", "Acknowledged writes that would be lost with the primary's site.", exposure.records),
        ("seconds", "The time over which those were acknowledged.", exposure.seconds),
        ("bytes", "Their WAL.", exposure.size_bytes),
    )
    for name, says, value in figures:
        if value is not None:
            yield _gauge(f"twinsite_exposure_{name}", says, _Sample(value))


def _gauge(name: str, says: str, *samples: _Sample) -> _Metric:
    return _Metric(name, "gauge", says, samples)


def _line(name: str, sample: _Sample) -> str:
    labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in sample.labels.items())
    return f"{name}{{{labels}}} {float(sample.value):g}" if labels else f"{name} {float(sample.value):g}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def serve(address: str, port: int, figures: Callable[[], Figures]) -> ThreadingHTTPServer:
    """Answers GET /metrics in threads of its own, for as long as the process lives. Raises OSError."""

    class Page(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            body = render(figures()).encode()
            self.send_response(200)
            self.send_header("Content-Type", MEDIA_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Monitoring asks every few seconds: not worth a line."""

    server = ThreadingHTTPServer((address, port), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
