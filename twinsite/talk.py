"""What a command says: results on standard output; plans, progress and errors on standard error."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_STARTED = time.monotonic()


def announce(steps: Iterable[str]) -> None:
    """Say what the command is about to do."""
    listed = list(steps)
    for first, step in zip(["will", *["and"] * len(listed)], listed, strict=False):
        err.print(f"[bold]{first}[/] {step}")


def progress(text: str) -> None:
    """Report a step, with the seconds since the command began."""
    err.print(f"[dim]{time.monotonic() - _STARTED:6.1f} s[/] ", end="")
    err.print(text, markup=False)


def done(text: str) -> None:
    err.print(f"[green]{text}[/]")


def complain(text: str) -> None:
    """An error: its first line stands out, the rest (a program's output) follows as it is."""
    first, _, rest = text.partition("\n")
    err.print("[bold red]error:[/] ", end="")
    err.print(first, markup=False)
    if rest:
        err.print(rest, markup=False)


def print_json(document: Any) -> None:
    """One JSON document on standard output, whatever the terminal's width."""
    print(json.dumps(document, indent=2, ensure_ascii=False))  # noqa: T201  (rich would wrap it)
