"""Diagnostics for clients that do not ask for them: sent when the user stops typing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Pushing:
    """At most one task for each text; a newer one takes the place of the older one, whatever that is doing.

    Args:
        publish: checks a text and sends what is found.
    """

    def __init__(self, publish: Callable[[str], Awaitable[None]]) -> None:
        self._publish = publish
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def schedule(self, key: str, milliseconds: int = 0) -> None:
        """Publish a text once so much time has passed without another call for it."""
        self.cancel(key)
        self._tasks[key] = asyncio.get_running_loop().create_task(self._later(key, milliseconds / 1000))

    def cancel(self, key: str) -> None:
        """Publish nothing after all."""
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    async def _later(self, key: str, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        await self._publish(key)
        if self._tasks.get(key) is asyncio.current_task():
            del self._tasks[key]
