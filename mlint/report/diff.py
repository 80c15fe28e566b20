"""A unified diff of one file, for ``--diff``; ``git apply -p0`` and ``patch -p0`` take it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from mlint.report.ansi import BOLD, CYAN, GREEN, RED, paint

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


def _hunks(old: list[str], new: list[str], color: bool) -> Iterator[str]:
    # Fixes change a few lines of long files: what is equal at both ends need not be matched.
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    skip = max(0, head - _CONTEXT)
    keep = max(0, tail - _CONTEXT)
    left, right = old[skip : len(old) - keep], new[skip : len(new) - keep]
    for group in SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        old_range = _range(skip + first[1], skip + last[2])
        new_range = _range(skip + first[3], skip + last[4])
        yield paint(f"@@ -{old_range} +{new_range} @@", CYAN, color) + "\n"
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                for line in left[old_start:old_end]:
                    yield _line(" ", line, "", False)
                continue
            for line in left[old_start:old_end]:
                yield _line("-", line, RED, color)
            for line in right[new_start:new_end]:
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
        quoted = (escapes.get(char) or (f"\\{ord(char):03o}" if char < " " or char == "\x7f" else char) for char in path)
        return f'"{"".join(quoted)}"'
    return path + "\t" if " " in path else path
