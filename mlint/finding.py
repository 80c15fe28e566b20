"""What a rule reports: where, what is wrong, what to do, and the edits that would do it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple


class Safety(enum.Enum):
    """What a fix may change. It belongs to the fix, not to the rule."""

    SAFE = "safe"
    """The same result for every input of the proven kinds, or one closer to the exact value."""
    UNSAFE = "unsafe"
    """May change behaviour; applied only with ``--unsafe-fixes``."""
    SUGGESTION = "display"
    """Shown, never applied."""


class Edit(NamedTuple):
    """Replace ``text[start:end]`` by ``content``.

    Offsets count characters (code points) of the decoded text of the file, newlines as they stand in it.
    """

    start: int
    end: int
    content: str


class Fix(NamedTuple):
    """The edits that remove a finding.

    ``build`` makes the edits and is called only when somebody wants them, because it imports LibCST; it returns
    None where the rewrite turns out not to be possible after all. ``edits`` is None until then.
    """

    safety: Safety
    message: str
    edits: tuple[Edit, ...] | None = None
    build: Callable[[], Fix | None] | None = None


class Location(NamedTuple):
    """A place in a file: ``line`` and ``column`` count from 1, columns in characters."""

    line: int
    column: int


class Finding(NamedTuple):
    """One true statement about one place in one file."""

    path: str
    start: Location
    end: Location
    code: str
    name: str
    message: str
    """What is wrong here, in the words of this code, one line."""
    advice: str = ""
    """What to do about it, one line."""
    fix: Fix | None = None
    cell: int | None = None
    """The notebook cell, counted from 1; ``start`` and ``end`` are then lines of that cell."""
    severity: str = "warning"
    details: tuple[tuple[str, object], ...] = ()
    """What was measured, and a traceback, by label; the static rules have none."""

    @property
    def text(self) -> str:
        """The message and the advice in one line."""
        return f"{self.message}; {self.advice}" if self.advice else self.message

    @property
    def sort_key(self) -> tuple[str, int, Location, str, Location, str]:
        """Path, place, code: the order of every report."""
        return (self.path, self.cell or 0, self.start, self.code, self.end, self.message)
