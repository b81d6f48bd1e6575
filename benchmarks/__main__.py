"""`make bench`: run every benchmark of the list (or those named), write the figures, print the table."""

from __future__ import annotations

import importlib
import sys
from dataclasses import asdict
from pathlib import Path

from app.devserver import DevServerError
from benchmarks.harness import Figure, table, write
from benchmarks.load import LoadError, wrk_is_here
from infra.command import CommandError
from infra.paths import reports

ALL = ("api", "feed", "postgraphile")


def main() -> int:
    """Exit status 0: all measured; 3: one could not be."""
    if not wrk_is_here():
        print("error: wrk is not installed; `apt-get install wrk` (as root, `make bench` does it)")
        return 3
    names = sys.argv[1:] or ALL
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name} …", flush=True)
        try:
            figures += importlib.import_module(f"benchmarks.{name}").measure()
        except (LoadError, CommandError, DevServerError) as error:
            print(f"error: {name} could not be measured: {error}")
            return 3
    if figures:
        _publish(figures, reports() / "bench.json")
    return 0


def _publish(figures: list[Figure], path: Path) -> None:
    write(figures, path)
    machine = ", ".join(f"{key} {value}" for key, value in asdict(figures[0].machine).items())
    print(f"\n{table(figures)}\non {machine}\nwritten to {path}")


if __name__ == "__main__":
    sys.exit(main())
