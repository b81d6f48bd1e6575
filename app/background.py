"""The end of tasks that run as long as their process."""

from __future__ import annotations

import asyncio

AGAIN_SECONDS = 0.1


async def end(task: asyncio.Task[None] | None) -> None:
    """Cancel it until it has ended; nothing where it was never begun. Raises what it failed with.

    Once is not enough: whoever waits below may keep a cancellation for itself that comes together with an
    event or an error, as Python 3.11's `wait_for` does under psycopg's pool; the loop above then goes on as
    if nothing had been asked, and its process would never end (seen: 3 of 400 ends right after a beginning).
    """
    if task is None:
        return
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.result()
