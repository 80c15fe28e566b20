"""One thread that does the work, so that the server goes on reading what the editor says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)

Stop = Callable[[], bool]
"""Says whether the result of the work is not wanted any more."""


class Worker:
    """Does one thing after the other, in the order in which they are asked for."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mlint")

    async def do(self, work: Callable[[Stop], T]) -> T:
        """The result of ``work``. If the task that waits for it is cancelled, it is not begun, or told to stop."""
        stopped = Event()
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, stopped.is_set)
        try:
            return await future
        except asyncio.CancelledError:
            stopped.set()
            raise

    def soon(self, work: Callable[[], object]) -> None:
        """Have something done before all that is asked for after it; nobody waits for it."""
        self._pool.submit(work).add_done_callback(_log_failure)

    def close(self) -> None:
        """Drop what has not been begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _log_failure(done: Future[object]) -> None:
    """Write down what went wrong where nobody waits for the result."""
    error = None if done.cancelled() else done.exception()
    if error is not None:
        _log.error("%s", error, exc_info=error)
