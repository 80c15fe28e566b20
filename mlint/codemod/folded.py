"""A new statement on several lines, where it does not fit on one."""

from __future__ import annotations

import ast

_INDENT = 4
_BRACKETS = {")": "(", "]": "[", "}": "{"}


def folded(text: str, column: int, width: int) -> str:
    """An assignment or expression statement, broken at its longest bracket or put in parentheses.

    It stays on one line where that fits, where it is no statement of this kind, and where neither way makes it fit.

    Args:
        text: the statement, on one line.
        column: where it begins.
        width: how long lines may be.
    """
    if column + len(text) <= width or not text.isascii() or "\n" in text:
        return text
    statements = ast.parse(text).body
    statement = statements[0]
    if len(statements) != 1 or not isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr)):
        return text
    value = statement.value
    if value.end_col_offset != len(text):
        return text
    ways = [_parenthesized(text, value.col_offset), _split(text, value.col_offset)]
    if isinstance(value, (ast.Call, ast.Attribute, ast.Subscript)):
        ways.reverse()
    for lines in ways:
        if lines is None or any(column + len(line) > width for line in lines):
            continue
        new = "\n".join(lines)
        if ast.dump(ast.parse(new)) == ast.dump(ast.parse(text)):
            return new
    return text


def _parenthesized(text: str, start: int) -> list[str]:
    return [f"{text[:start]}(", f"{' ' * _INDENT}{text[start:]}", ")"]


def _split(text: str, start: int) -> list[str] | None:
    """Broken at the pair of outer brackets that holds most."""
    if "'" in text or '"' in text:
        return None
    opened: list[int] = []
    last: tuple[int, int] | None = None
    for at in range(start, len(text)):
        if text[at] in _BRACKETS.values():
            opened.append(at)
        elif text[at] in _BRACKETS:
            begin = opened.pop()
            if not opened and at > begin + 1 and (last is None or at - begin > last[1] - last[0]):
                last = begin, at
    if last is None:
        return None
    begin, end = last
    return [text[: begin + 1], f"{' ' * _INDENT}{text[begin + 1 : end]}", text[end:]]
