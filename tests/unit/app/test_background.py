from __future__ import annotations

import asyncio

import pytest

from app import background


class Stubborn:
    """Works on for ever, and keeps as many cancellations for itself as told."""

    def __init__(self, keeps: int) -> None:
        self.keeps = keeps
        self.begun = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                self.begun.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not self.keeps:
                    raise
                self.keeps -= 1


@pytest.mark.parametrize("keeps", [0, 1, 3])
async def test_a_task_ends_that_kept_cancellations_for_itself(monkeypatch: pytest.MonkeyPatch, keeps: int):
    monkeypatch.setattr(background, "AGAIN_SECONDS", 0.01)
    stubborn = Stubborn(keeps)
    task = asyncio.create_task(stubborn.run())
    await stubborn.begun.wait()
    async with asyncio.timeout(60):
        await background.end(task)
    assert task.cancelled()
    assert stubborn.keeps == 0


async def test_what_was_never_begun_or_has_ended_needs_nothing():
    await background.end(None)
    await background.end(asyncio.create_task(asyncio.sleep(0)))


async def test_a_failure_is_not_hidden():
    async def fails() -> None:
        raise LookupError("broken")

    task = asyncio.create_task(fails())
    await asyncio.wait({task})
    with pytest.raises(LookupError, match="broken"):
        await background.end(task)
