"""Waits for the estate to become what it should be: with a deadline, reporting only what changes."""

from __future__ import annotations

import time
from collections.abc import Callable

from failover.model import Access, EstateView, Layout
from failover.observe.estate import observe
from failover.observe.problems import problems

_POLL_S = 0.5


def wait_until(
    ready: Callable[[EstateView], bool],
    layout: Layout,
    access: Access,
    *,
    deadline_s: float,
    progress: Callable[[str], None],
) -> EstateView:
    """The first picture that is ready, or the last one before the deadline (seconds): the caller judges it.

    Raises:
        OSError: a file of the access is missing or unreadable.
    """
    deadline = time.monotonic() + deadline_s
    told = ""
    while True:
        view = observe(layout, access)
        if ready(view) or time.monotonic() > deadline:
            return view
        if (now := _summary(view)) != told:
            progress(f"waiting: {now}")
            told = now
        time.sleep(_POLL_S)


def _summary(view: EstateView) -> str:
    """The worst problem in words, the others in number."""
    found = problems(view)
    if not found:
        return "nothing is wrong"
    first = f"{found[0].subject}: {found[0].text}"
    return first if len(found) == 1 else f"{first} (and {len(found) - 1} more)"
