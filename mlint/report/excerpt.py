"""The lines of code that a finding is about, ready to be shown, and where the carets go."""

from __future__ import annotations

from typing import NamedTuple

from mlint.finding import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlint.source import Source

_TAB = 4
_BODY = 6
"""Lines of a range below its header that are shown whole; of a longer one, the first few and the last."""
_BODY_HEAD = 3
_COMPOUND = frozenset(("for", "while", "with", "if", "elif", "else", "try", "except", "finally"))
_COMPOUND_OR_NAMED = _COMPOUND | {"def", "class", "async", "match", "case"}
# Characters that reorder text on screen: shown as they are, code could look like other code.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class ExcerptLine(NamedTuple):
    """One line as shown: ``marked`` is where carets start and how many there are, in columns of the screen."""

    number: int
    text: str
    marked: tuple[int, int] | None = None
    note: str = ""


class Excerpt(NamedTuple):
    """Lines in order; a jump in their numbers is a part left out."""

    lines: tuple[ExcerptLine, ...]


def excerpt(source: Source, start: Location, end: Location, width: int) -> Excerpt | None:
    """Return the lines around the range ``start`` to ``end``, the range marked.

    A range over several lines is marked on its header only (a ``for`` statement up to its colon, else the first
    line) and says where it ends. Lines longer than ``width`` columns are cut around the mark.

    Returns:
        None where the text has no such line, as for an empty file.
    """
    count = len(source.line_starts)
    if not 1 <= start.line <= count or not source.text:
        return None
    last = min(end.line, count)
    if last > start.line and end.column <= 1:  # the range ends with a line end
        last -= 1
    header = _header(source, start, last)
    if last == start.line and end.line == start.line:
        note, end_column = "", end.column
    else:
        note, end_column = (f" to line {last}" if last > header[0] else ""), 0

    marks: dict[int, tuple[int, int]] = {}
    for number in range(start.line, header[0] + 1):
        text = source.line(number)
        first = start.column - 1 if number == start.line else len(text) - len(text.lstrip())
        stop = end_column - 1 if end_column else header[1] if number == header[0] else len(text.rstrip())
        marks[number] = (first, stop)

    wanted = [number for number in (start.line - 1,) if number >= 1 and source.line(number).strip()]
    wanted += range(start.line, header[0] + 1)
    below = range(header[0] + 1, last + 1)
    if len(below) <= _BODY:
        wanted += below
    else:
        head = [*below[:_BODY_HEAD]]
        while head and not source.line(head[-1]).strip():
            head.pop()
        wanted += [*head, last]
    after = max(last, header[0]) + 1
    if after <= count and source.line(after).strip():
        wanted.append(after)

    cells = {number: _cells(source.line(number)) for number in wanted}
    shift = _shift(cells[start.line], marks[start.line], width)
    lines = []
    for number in wanted:
        text, left = _cut(cells[number], shift, width)
        marked = None
        if number in marks:
            columns = _columns(cells[number])
            first, stop = (columns[min(index, len(columns) - 1)] - left for index in marks[number])
            first = max(first, 1 if left else 0)
            if first < width:
                marked = (first, max(1, min(stop, width) - first))
        lines.append(ExcerptLine(number, text, marked, note if number == header[0] else ""))
    return Excerpt(tuple(lines))


def _header(source: Source, start: Location, last: int) -> tuple[int, int]:
    """Return the line and the column (from 0, exclusive) at which the header of a range ends."""
    first_line = source.line(start.line)
    end_of_first = (start.line, len(first_line.rstrip()))
    if last <= start.line:
        return end_of_first
    words = first_line[start.column - 1 :].replace(":", " ").split(maxsplit=1)
    if not words or words[0] not in _COMPOUND_OR_NAMED:
        return end_of_first
    import tokenize  # only for the statements that span lines

    texts = [first_line[start.column - 1 :], *map(source.line, range(start.line + 1, last + 1))]
    lines = (text + "\n" for text in texts)
    open_ones: list[str] = []
    try:
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            if token.string in ("(", "[", "{", "lambda"):
                open_ones.append(token.string)
            elif token.string in (")", "]", "}"):
                while open_ones and open_ones.pop() == "lambda":
                    pass
            elif token.string == ":" and not open_ones:
                row, column = token.end
                return start.line + row - 1, column + (start.column - 1 if row == 1 else 0)
            elif token.string == ":" and open_ones[-1] == "lambda":
                open_ones.pop()
    except (tokenize.TokenError, SyntaxError):
        pass
    return end_of_first


def _cells(line: str) -> list[tuple[str, int]]:
    """Return what is shown for each character and how many columns it takes."""
    if line.isascii() and line.isprintable():
        return [(char, 1) for char in line]
    import unicodedata

    cells: list[tuple[str, int]] = []
    column = 0
    for char in line:
        if char == "\t":
            shown, width = " " * (_TAB - column % _TAB), _TAB - column % _TAB
        elif char < " " or char == "\x7f":
            shown, width = chr(0x2421 if char == "\x7f" else 0x2400 + ord(char)), 1
        elif char in _REORDERING or "\x80" <= char < "\xa0" or char in "\u2028\u2029\ufeff":
            shown, width = "\ufffd", 1
        elif unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
            shown, width = char, 0
        else:
            shown, width = char, 2 if unicodedata.east_asian_width(char) in "WF" else 1
        cells.append((shown, width))
        column += width
    return cells


def _columns(cells: list[tuple[str, int]]) -> list[int]:
    """Return the column at which each character starts, and the one after the last."""
    columns = [0]
    for _, width in cells:
        columns.append(columns[-1] + width)
    return columns


def _shift(cells: list[tuple[str, int]], mark: tuple[int, int], width: int) -> int:
    """Return how many columns must go on the left for the mark to be seen; 0 when it fits."""
    columns = _columns(cells)
    first, stop = (columns[min(index, len(cells))] for index in mark)
    if stop <= width or columns[-1] <= width:
        return 0
    return max(0, first - width // 4)


def _cut(cells: list[tuple[str, int]], shift: int, width: int) -> tuple[str, int]:
    """Return the part of a line that fits, dots where something was cut, and the column that it starts at."""
    columns = _columns(cells)
    if not shift and columns[-1] <= width:
        return "".join(shown for shown, _ in cells).rstrip(), 0
    if columns[-1] <= shift:
        return ("…" if columns[-1] else ""), shift
    begin = next(index for index, column in enumerate(columns) if column >= shift) if shift else 0
    left = columns[begin] - 1 if shift else 0  # one column goes to the dots
    stop = begin
    while stop < len(cells) and columns[stop + 1] - left < width:
        stop += 1
    text = ("…" if shift else "") + "".join(shown for shown, _ in cells[begin:stop])
    return (text + "…" if stop < len(cells) else text).rstrip(), left
