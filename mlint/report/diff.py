"""A unified diff of one file, for ``--diff``; ``git apply -p0`` and ``patch -p0`` take it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from mlint.report.ansi import BOLD, CYAN, GREEN, RED, paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    _Opcode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]

_CONTEXT = 3


def unified_diff(before: str, after: str, path: str, *, color: bool = False) -> str:
    """Return the diff that turns ``before`` into ``after``, or the empty string when they are equal.

    Lines end at ``\\n`` alone: a ``\\r`` before it is part of the line and is written as it is.

    Args:
        before: the text as it is in the file.
        after: the text as it would be.
        path: the path to write in the header, as the user gave it.
        color: paint the lines for a terminal.
    """
    if before == after:
        return ""
    name = _name(path)
    header = [paint(f"--- {name}", BOLD, color) + "\n", paint(f"+++ {name}", BOLD, color) + "\n"]
    return "".join([*header, *_hunks(_lines(before), _lines(after), color)])


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]  # what follows the last line end
    return lines if lines[-1] else lines[:-1]


class _Matcher(SequenceMatcher[str]):
    """Matches what lies between the equal lines at both ends: fixes change a few lines of long files."""

    def __init__(self, old: list[str], new: list[str]) -> None:
        shorter = min(len(old), len(new))
        head = 0
        while head < shorter and old[head] == new[head]:
            head += 1
        tail = 0
        while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
            tail += 1
        self._head, self._tail = head, tail
        super().__init__(None, old[head : len(old) - tail], new[head : len(new) - tail], autojunk=False)

    def get_opcodes(self) -> list[_Opcode]:
        """Return the steps from old to new, counted from the start of the files."""
        head, tail = self._head, self._tail
        codes: list[_Opcode] = [("equal", 0, head, 0, head)] if head else []
        old_end = new_end = head
        for tag, old_start, old_end, new_start, new_end in super().get_opcodes():
            old_end, new_end = old_end + head, new_end + head
            codes.append((tag, old_start + head, old_end, new_start + head, new_end))
        if tail:
            codes.append(("equal", old_end, old_end + tail, new_end, new_end + tail))
        return codes


def _hunks(old: list[str], new: list[str], color: bool) -> Iterator[str]:
    for group in _Matcher(old, new).get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        yield paint(f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@", CYAN, color) + "\n"
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                for line in old[old_start:old_end]:
                    yield _line(" ", line, "", False)
                continue
            for line in old[old_start:old_end]:
                yield _line("-", line, RED, color)
            for line in new[new_start:new_end]:
                yield _line("+", line, GREEN, color)


def _range(start: int, end: int) -> str:
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _line(sign: str, line: str, style: str, color: bool) -> str:
    if line.endswith("\n"):
        return paint(sign + line[:-1], style, color) + "\n"
    return paint(sign + line, style, color) + "\n\\ No newline at end of file\n"


def _name(path: str) -> str:
    """Return the path as ``patch`` and ``git apply`` read it: quoted as in C, or closed by a tab after spaces."""
    if any(char in '"\\' or char < " " or char == "\x7f" for char in path):
        escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
        quoted = "".join(escapes.get(char) or (char if char.isprintable() else f"\\{ord(char):03o}") for char in path)
        return f'"{quoted}"'
    return path + "\t" if " " in path else path
