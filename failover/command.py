"""The only door to other programs on an agent's host: no shell, a deadline, and all that explains a failure.

The operator's machine has `infra/command.py`; rooms do not import each other, and this one runs without it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    output: str


class CommandFailedError(RuntimeError):
    """It could not be started, or ran past its deadline."""


class Run(Protocol):
    def __call__(self, argv: Sequence[str], within_s: float) -> Ended:
        """Raises CommandFailedError."""


def run(argv: Sequence[str], within_s: float) -> Ended:
    """Runs a program to its end. Output is both streams, as UTF-8."""
    try:
        done = subprocess.run(  # noqa: S603  # argv comes from the agent's configuration; no shell
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=within_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandFailedError(f"{' '.join(argv)}: {error}") from error
    return Ended(done.returncode, done.stdout.decode(errors="replace").strip())
