"""The table of many runs: what is counted, and that a run without a figure is not passed over."""

from failover.drills.table import Run, table

RUN = Run("site-loss", "active", True, 2.0, 1.9, 1000, 0, 1)


def verdict(**changes: object) -> dict[str, object]:
    rpo = {"acknowledged": 1000, "lost": 0, "duplicated": 0, "phantom": 0}
    known = {"scenario": "site-loss", "passed": True, "rto_s": 2.0, "write_stall_max_s": 1.9, "rpo": rpo}
    return {**known, "writers_max": 1, "orchestrator": "active", **changes}


def lines(*runs: Run) -> list[str]:
    return table(runs).splitlines()[2:]


def test_each_drill_and_mode_has_a_line_with_median_and_worst() -> None:
    runs = [Run.of(verdict(rto_s=seconds)) for seconds in (1.5, 2.5, 3.5)]
    plain = Run.of(verdict(orchestrator="stopped", rto_s=22.0, passed=False))

    assert lines(*runs, plain) == [
        "| `site-loss` | active | 3 | 3 | 2.50 / 3.50 | 1.90 / 1.90 | 3,000 | 0 | 1 |",
        "| `site-loss` | stopped | 1 | 0 | 22.00 / 22.00 | 1.90 / 1.90 | 1,000 | 0 | 1 |",
    ]


def test_an_older_verdict_tells_of_plain_patroni() -> None:
    old = verdict()
    del old["orchestrator"]

    assert Run.of(old).orchestrator == "stopped"


def test_what_was_never_seen_or_compared_is_said() -> None:
    lost = {"acknowledged": 5, "lost": None, "duplicated": None, "phantom": None}
    (line,) = lines(RUN, Run.of(verdict(rto_s=None, rpo=lost)))

    assert "| 1 never |" in line
    assert "| not compared |" in line
