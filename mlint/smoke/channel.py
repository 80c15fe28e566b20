"""How the child speaks: one JSON object per line, on a pipe that only mlint knows.

Imports the standard library only.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping


class Channel:
    """The child's end. What is said by a process that the child forked is not heard: it is not the child."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def tell(self, event: str, **facts: object) -> None:
        """Say that something happened; a parent that no longer listens ends the process."""
        if os.getpid() != self._owner:
            return
        data = (json.dumps({"event": event, **plain(facts)}) + "\n").encode()
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                os.kill(self._owner, 9)


def plain(value: object) -> dict[str, object]:
    """A table of facts as JSON can hold it."""
    found = _plain(value)
    assert isinstance(found, dict)
    return found


def _plain(value: object, depth: int = 0) -> object:
    """A value as JSON can hold it: numbers of numpy and torch as numbers, NaN and infinities and the rest as text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else str(float(value))
    if depth > 20:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    item = getattr(value, "item", None)
    if callable(item):
        try:
            return _plain(item(), depth + 1)
        except Exception:  # a tensor of several elements
            pass
    return str(value)
