"""Linting in one process or several; one that dies costs the file that it was on and no other."""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mlint.linter import Job, Linter, Outcome, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from typing import Any

_IN_PROCESS_BYTES = 600_000
"""Less source than this is done before other processes have started."""

_COLLECT_BYTES = 64_000_000
"""How much source is read between two collections of cyclic garbage, of which models that are released leave little."""

CHUNKS_PER_PROCESS = 8
"""How many parts the work of a process is cut into: enough to end at the same time, few enough to cost nothing."""


def available_processors() -> int:
    """Return how many processes can run at once here; containers and task sets may allow fewer than there are."""
    try:
        return len(os.sched_getaffinity(0)) or 1
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def run_jobs(
    linter: Linter, jobs: Sequence[Job], processes: int | None, advance: Callable[[int], None]
) -> list[Outcome]:
    """Lint ``jobs`` and return their outcomes in order, with ``processes`` processes or as many as pay."""
    wanted = processes if processes else available_processors()
    if not processes and sum(job.size for job in jobs) < _IN_PROCESS_BYTES:
        wanted = 1
    if min(wanted, len(jobs)) <= 1:
        return _in_process(linter, jobs, advance)
    return Pool(linter, jobs, min(wanted, len(jobs)), advance).run()


@contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """Keep the collector from walking the trees that are being built: it would find nothing and take a third longer."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


class Collector:
    """Collects cyclic garbage from time to time while the automatic collector is paused."""

    def __init__(self) -> None:
        self._since = 0

    def after(self, size: int) -> None:
        self._since += size
        if self._since >= _COLLECT_BYTES:
            self._since = 0
            gc.collect()
            gc.freeze()  # what is alive now is kept for the whole run; the next round need not go through it again


def _in_process(linter: Linter, jobs: Sequence[Job], advance: Callable[[int], None]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    collector = Collector()
    with garbage_collector_paused():
        for job in jobs:
            outcomes.append(linter.lint(job))
            advance(len(outcomes))
            collector.after(job.size)
    return outcomes


def _work(linter: Linter, jobs: Sequence[Job], connection: Connection, inherited: Connection | None) -> None:
    """Be a worker: receive lists of job numbers, send back (number, outcome), stop at an empty list."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C too, and ends its workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if inherited is not None:
        inherited.close()  # the parent's end, copied by fork: while it is open here, the parent's death goes unnoticed
    collector = Collector()
    with garbage_collector_paused():
        try:
            while numbers := connection.recv():
                for number in numbers:
                    connection.send((number, linter.lint(jobs[number])))
                    collector.after(jobs[number].size)
        except (EOFError, OSError):
            return  # the parent is gone


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Ctrl-C waits until a new process has been started and noted: it would hit it before it can ignore it."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """A process, the way to it, and the files that it has not answered for."""

    __slots__ = ("assigned", "connection", "process")

    def __init__(self, process: SpawnProcess, connection: Connection) -> None:
        self.process = process
        self.connection = connection
        self.assigned: deque[int] = deque()


class Pool:
    """A pool that knows which file each process is on, so that a process that dies costs that file and no other."""

    def __init__(self, linter: Linter, jobs: Sequence[Job], count: int, advance: Callable[[int], None]) -> None:
        import multiprocessing

        self._context: Any = multiprocessing.get_context(start_method())
        self._linter = linter
        self._jobs = jobs
        self._count = count
        self._advance = advance
        self._chunks = deque(chunks(jobs, count * CHUNKS_PER_PROCESS))
        self._workers: list[_Worker] = []
        self._outcomes: dict[int, Outcome] = {}

    def run(self) -> list[Outcome]:
        from multiprocessing.connection import wait

        try:
            for _ in range(min(self._count, len(self._chunks))):
                self._start()
            while self._workers:
                ready = wait([worker.connection for worker in self._workers])
                for worker in [worker for worker in self._workers if worker.connection in ready]:
                    self._receive(worker)
        finally:
            for worker in self._workers:
                worker.process.terminate()
            for worker in self._workers:
                worker.process.join(5)
        return [self._outcomes[number] for number in range(len(self._jobs))]

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        inherited = ours if self._context.get_start_method() == "fork" else None
        process = self._context.Process(
            target=_work, args=(self._linter, self._jobs, theirs, inherited), daemon=True, name="mlint"
        )
        with _ctrl_c_held_back():
            process.start()
            theirs.close()
            worker = _Worker(process, ours)
            self._workers.append(worker)
        self._assign(worker)

    def _assign(self, worker: _Worker) -> None:
        numbers = self._chunks.popleft() if self._chunks else []
        worker.assigned.extend(numbers)
        try:
            worker.connection.send(numbers)
        except OSError:
            pass  # it has died; the next receive says so
        if not numbers:
            self._workers.remove(worker)
            worker.connection.close()
            worker.process.join()

    def _receive(self, worker: _Worker) -> None:
        try:
            number, outcome = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        worker.assigned.popleft()
        self._outcomes[number] = outcome
        self._advance(len(self._outcomes))
        if not worker.assigned:
            self._assign(worker)

    def _bury(self, worker: _Worker) -> None:
        """Blame the file that the dead ``worker`` was on, and give the rest of its files to a new one."""
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join()
        exit_code = worker.process.exitcode
        if worker.assigned:
            number = worker.assigned.popleft()
            path = self._jobs[number].path
            how = f"killed by signal {-exit_code}" if exit_code and exit_code < 0 else f"exit code {exit_code}"
            self._outcomes[number] = Outcome(
                path, problems=[Problem(path, f"the process that checked this file died ({how}); file left alone")]
            )
            self._advance(len(self._outcomes))
            if worker.assigned:
                self._chunks.append(list(worker.assigned))
        if self._chunks:
            self._start()


def start_method() -> str:
    """Return how processes are started: by fork where that is safe, since it costs a tenth of a fresh interpreter."""
    import sys
    import threading

    return "fork" if sys.platform.startswith("linux") and threading.active_count() == 1 else "spawn"


def chunks(jobs: Sequence[Job], count: int) -> list[list[int]]:
    """Return the numbers of ``jobs`` in about ``count`` lists of about the same size of source, the big ones first."""
    order = sorted(range(len(jobs)), key=lambda number: (-jobs[number].size, jobs[number].path))
    # Every file costs something even when it is empty.
    limit = sum(job.size + 500 for job in jobs) / count
    parts: list[list[int]] = []
    current: list[int] = []
    size = 0.0
    for number in order:
        current.append(number)
        size += jobs[number].size + 500
        if size >= limit:
            parts.append(current)
            current, size = [], 0.0
    if current:
        parts.append(current)
    return parts
