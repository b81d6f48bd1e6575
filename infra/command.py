"""The one door through which this project starts other programs.

Every call has a deadline, and every failure carries what is needed to explain it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

DEFAULT_TIMEOUT_S = 60.0

Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Completed:
    """How a program ended, with its output decoded as UTF-8."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class CommandError(Exception):
    """A program failed, could not be started, or ran past its deadline."""

    def __init__(
        self, argv: Sequence[str], reason: str, output: str = "", returncode: int | None = None
    ) -> None:
        self.argv = tuple(argv)
        self.reason = reason
        self.output = output
        self.returncode = returncode
        tail = f"\n{output.strip()[-2000:]}" if output.strip() else ""
        super().__init__(f"`{shlex.join(argv)}` {reason}{tail}")


def run(
    argv: Sequence[str],
    *,
    timeout: float = DEFAULT_TIMEOUT_S,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end.

    Args:
        argv: the program and its arguments; no shell is involved.
        timeout: seconds until the program is killed.
        stdin: text for its standard input; without it, standard input is empty.
        env: variables added to this process's environment.
        cwd: the working directory.
        check: raise when the exit status is not 0.

    Raises:
        CommandError: not found, past the deadline, or (with `check`) a non-zero exit status.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(argv, f"could not be started: {error.strerror}: {error.filename}") from error
    except subprocess.TimeoutExpired as error:
        partial = error.stdout or b""
        text = partial.decode(errors="replace") if isinstance(partial, bytes) else partial
        raise CommandError(argv, f"did not end within {timeout:g} s", text) from error
    if check and done.returncode != 0:
        raise CommandError(
            argv, f"ended with status {done.returncode}", done.stderr or done.stdout, done.returncode
        )
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def stream(
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[str]:
    """Run a program and yield its output (standard error included) line by line.

    Raises:
        CommandError: at the end, when the exit status is not 0 or the deadline has passed.
    """
    process = spawn(argv, env=env, cwd=cwd, stdout=subprocess.PIPE)
    killer = _Killer(process, timeout)
    tail: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            tail = [*tail[-40:], text]
            yield text
        status = process.wait()
    finally:
        killer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
    if killer.fired:
        raise CommandError(argv, f"did not end within {timeout:g} s", "\n".join(tail))
    if status != 0:
        raise CommandError(argv, f"ended with status {status}", "\n".join(tail), status)


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a program and return at once; standard error goes where standard output goes.

    Raises:
        CommandError: the program could not be started.
    """
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            start_new_session=new_session,
        )
    except FileNotFoundError as error:
        raise CommandError(argv, f"could not be started: {error.strerror}: {error.filename}") from error


def end(process: Process, patience_s: float) -> bool:
    """Ask a process to end, kill it when its time is over, and tell whether it ended when asked."""
    process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


class _Killer:
    """Kills a process when its time is over, and remembers that it did."""

    def __init__(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        self.fired = False
        self._process = process
        self._timer = threading.Timer(timeout, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _fire(self) -> None:
        self.fired = True
        self._process.kill()

    def cancel(self) -> None:
        self._timer.cancel()


def replace_process(argv: Sequence[str]) -> None:
    """Become another program (an interactive ssh, psql); does not return.

    Raises:
        CommandError: the program could not be started.
    """
    try:
        os.execvp(argv[0], list(argv))  # noqa: S606  (no shell is the point)
    except FileNotFoundError as error:
        raise CommandError(argv, f"could not be started: {error.strerror}") from error
