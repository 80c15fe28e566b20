"""Edits of a text that no rule makes: comments that silence, and the way from one text to another."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from mlint.finding import Edit
from mlint.source import Source, SourceError

_FILE_IGNORE = re.compile(r"(?m)^(#[ \t]*mlint[ \t]*:[ \t]*file-ignore[ \t]*\[)([^\]\r\n]*)(\])")
_HEAD = re.compile(r"#!|[^\r\n]*coding[:=][ \t]*[-\w.]+")


def ignore_in_file(source: Source, code: str, first_line: int = 1) -> Edit:
    """The edit that silences a rule in a whole file: in the comment that does so for others, or in one of its own.

    The comment goes to the top, below an interpreter line and the encoding; ``first_line`` is where the top is.
    """
    text = source.text
    for match in _FILE_IGNORE.finditer(text):
        place = match.start(3)
        edit = Edit(place, place, f", {code}" if match[2].strip(" \t,") else code)
        if _is_comment(source, edit):
            return edit
    line, last = first_line, min(first_line + 1, len(source.line_starts))
    for number in range(first_line, last + 1):
        written = source.line(number)
        if written.startswith("#") and _HEAD.match(written):
            line = number + 1
    newline = source.newline
    if line > len(source.line_starts):
        return Edit(len(text), len(text), f"{newline}# mlint: file-ignore[{code}]")
    place = source.line_starts[line - 1]
    if text.startswith("\f") and place == 0:
        place = 1  # what stands for a byte order mark stays in front
    return Edit(place, place, f"# mlint: file-ignore[{code}]{newline}")


def _is_comment(source: Source, edit: Edit) -> bool:
    """Whether an edit changes nothing but a comment: what looks like one may stand in a string."""
    try:
        return ast.dump(source.parse()) == ast.dump(source.apply([edit]).parse())
    except SourceError:
        return False


def edits_between(old: str, new: str) -> list[Edit]:
    """Edits that make one text of another: of the lines that differ, what differs."""
    from difflib import SequenceMatcher

    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    stop = 0
    while stop < min(len(before), len(after)) - start and before[-1 - stop] == after[-1 - stop]:
        stop += 1
    offsets = _offsets(before)
    middle, renewed = before[start : len(before) - stop], after[start : len(after) - stop]
    edits: list[Edit] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, middle, renewed, autojunk=False).get_opcodes():
        if kind != "equal":
            written = "".join(middle[i1:i2])
            edits.append(_trimmed(written, "".join(renewed[j1:j2]), offsets[start + i1]))
    return edits


def _trimmed(old: str, new: str, offset: int) -> Edit:
    """The edit that makes one text of another, without what both begin and end with.

    A cursor in what stays is not moved. No edit starts or ends between the two characters of a line end.
    """
    shorter = min(len(old), len(new))
    start = 0
    while start < shorter and old[start] == new[start]:
        start += 1
    if start and old[start - 1] == "\r":
        start -= 1
    stop = 0
    while stop < shorter - start and old[-1 - stop] == new[-1 - stop]:
        stop += 1
    if stop and old[len(old) - stop] == "\n":
        stop -= 1
    return Edit(offset + start, offset + len(old) - stop, new[start : len(new) - stop])


def _offsets(lines: Sequence[str]) -> list[int]:
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return offsets
