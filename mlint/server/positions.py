"""Places in a text as the protocol counts them: lines from 0, and columns in units of an encoding.

Lines end at ``\\n``, ``\\r\\n`` and ``\\r``, as the protocol says and as :class:`mlint.source.Source` does it; not at
form feeds or at U+2028, where :meth:`str.splitlines` ends them too.
Source: Language Server Protocol 3.17, "Text Documents" and "PositionEncodingKind".
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from lsprotocol.types import Position, PositionEncodingKind, Range

from mlint.source import Source


class Encoding(NamedTuple):
    """The unit in which client and server count columns; ``name`` is ``utf-8``, ``utf-16`` or ``utf-32``."""

    name: str

    def units(self, text: str) -> int:
        """The length of a text of one line."""
        if text.isascii() or self.name == "utf-32":
            return len(text)
        if self.name == "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(char > "\uffff" for char in text)

    def characters(self, line: str, units: int) -> int:
        """How many characters of a line its first ``units`` units are; a unit within a character stands for its start.

        Behind the end of the line is the end of the line.
        """
        if units <= 0:
            return 0
        if line.isascii() or self.name == "utf-32":
            return min(units, len(line))
        width = 0
        for number, char in enumerate(line):
            width += self.units(char)
            if width > units:
                return number
        return len(line)


UTF16 = Encoding(PositionEncodingKind.Utf16.value)
"""What every client knows, and what is meant when nothing is agreed on."""


def encoding_named(name: str | PositionEncodingKind | None) -> Encoding:
    """The encoding that was agreed on when client and server met."""
    if name is None:
        return UTF16
    return Encoding(name.value if isinstance(name, PositionEncodingKind) else name)


class Places:
    """The offsets of a text and the protocol's positions in it."""

    __slots__ = ("_encoding", "_source")

    def __init__(self, source: Source, encoding: Encoding) -> None:
        self._source = source
        self._encoding = encoding

    def position(self, offset: int) -> Position:
        """The position of an offset in characters."""
        starts = self._source.line_starts
        offset = min(max(offset, 0), len(self._source.text))
        line = bisect_right(starts, offset) - 1
        return Position(line, self._encoding.units(self._source.text[starts[line] : offset]))

    def offset(self, position: Position) -> int:
        """The offset of a position. What lies behind a line is its end, what lies behind the text is its end."""
        starts = self._source.line_starts
        if position.line >= len(starts):
            return len(self._source.text)
        line = self._source.line(position.line + 1)
        return starts[position.line] + self._encoding.characters(line, position.character)

    def of(self, line: int, column: int) -> Position:
        """The position of a finding's line and column, which count from 1, the column in characters."""
        starts = self._source.line_starts
        if line > len(starts):
            return self.position(len(self._source.text))
        text = self._source.line(line)
        return Position(line - 1, self._encoding.units(text[: column - 1]))

    def range(self, start: int, end: int) -> Range:
        """The range between two offsets."""
        return Range(self.position(start), self.position(end))
