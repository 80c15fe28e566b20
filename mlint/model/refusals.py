"""Why code was not taken for what it resembles, kept on record for who asks: ``mlint explain --why FILE:LINE``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

REFUSED, NO_FIX, UNSAFE = "refused", "no fix", "unsafe"


class Refusal(NamedTuple):
    """One reason.

    Attributes:
        what: `REFUSED` if there is no finding for it, `NO_FIX` if the finding has no fix, `UNSAFE` if that is unsafe.
        reason: one line, for people.
    """

    what: str
    reason: str


_records: list[list[Refusal]] = []


def note(what: str, reason: str) -> None:
    """Put a reason on record, if somebody asks for them."""
    if _records and Refusal(what, reason) not in _records[-1]:
        _records[-1].append(Refusal(what, reason))


@contextmanager
def recorded() -> Iterator[list[Refusal]]:
    """The reasons that are given until the context ends."""
    _records.append([])
    try:
        yield _records[-1]
    finally:
        _records.pop()
