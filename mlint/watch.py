"""Checking again whenever a file changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

from mlint.discover import ENDINGS

_POLL_SECONDS = 0.5

Snapshot = dict[str, tuple[int, int]]


def snapshot(paths: Sequence[str]) -> Snapshot:
    """Return the time and size of each of ``paths`` that exists."""
    seen: Snapshot = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue
        seen[path] = (status.st_mtime_ns, status.st_size)
    return seen


def polled(files: Callable[[], Sequence[str]], wait: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Yield once, and then each time one of ``files()`` has appeared, changed or gone.

    What changes while the caller is busy with one change is the next one.
    """
    before = snapshot(files())
    yield
    while True:
        wait(_POLL_SECONDS)
        now = snapshot(files())
        if now != before:
            before = now
            yield


def notified(roots: Sequence[str], relevant: Callable[[str], bool]) -> Iterator[None]:
    """Yield once, and then when the system reports a change of a relevant file; needs ``watchfiles``."""
    from watchfiles import watch

    seen = watch(
        *roots,
        watch_filter=lambda _change, path: relevant(path),
        raise_interrupt=True,
        rust_timeout=int(_POLL_SECONDS * 1000),
        yield_on_timeout=True,
    )
    started = False
    for found in seen:
        if found or not started:
            started = True
            yield


def changes(roots: Sequence[str], files: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Yield once, and then each time something changed, by the best means there is."""
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        yield from polled(files)
    else:
        # A file may have any ending if it was given, or if the configuration says what it is.
        others = {os.path.splitext(path)[1] for path in files()} - {""}
        endings = tuple({".toml", *(f".{ending}" for ending in ENDINGS), *others})
        yield from notified(roots, lambda path: path.endswith(endings))


def watch(
    roots: Sequence[str],
    files: Callable[[], Sequence[str]],
    check: Callable[[], int],
    announce: Callable[[str], None],
    *,
    clear: bool,
) -> int:
    """Run ``check`` now and after every change, until Ctrl-C; return its last result.

    ``clear`` wipes the screen before each run: only for a terminal.
    """
    result = 0
    wipe = "\x1b[2J\x1b[3J\x1b[H" if clear else ""
    try:
        for _ in changes(roots, files):
            announce(wipe)
            result = check()
            announce("watching for changes; Ctrl-C ends\n")
    except KeyboardInterrupt:
        announce("\n")
    return result
