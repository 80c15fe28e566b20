"""Insert, delete and replace whole statements."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from mlint.codemod import layout, tokens, tree
from mlint.codemod.layout import Run
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source

# Comments that belong to their place in the file and not to the statement below: #!, PEP 263, cells of editors.
_FIXED_COMMENT = re.compile(r"#!|#.*?coding[:=]|#\s*(?:%%|In\[|<codecell>|-{3,}|={3,}|#{3,})")


def insert_before(source: Source, statement: ast.stmt, text: str) -> Edit:
    """Insert statements in front of another, above the comment lines that belong to that one.

    Args:
        source: the source.
        statement: the statement.
        text: the new ones: four spaces for each level, not indented as a whole.

    Raises:
        Refused: the statement shares its line with others and the new ones need lines of their own.
        ValueError: ``text`` is no Python.
    """
    run = Run(source, [statement])
    new = layout.parsed(text)
    if run.starts_line:
        indent = layout.indentation(source, run.start)
        # The form feed of a page break stays in front.
        offset = _above_comments(source, run, indent)
        content = source.newline.join([*layout.block(source, text, indent), ""])
        if offset == run.start:
            content = content[len(indent) :] + indent
        edit = Edit(offset, offset, content)
    elif layout.is_simple(text, new):
        edit = Edit(run.start, run.start, f"{text.strip()}; ")
    else:
        raise Refused("the statement shares its line with others")
    run.check(source.apply([edit]), [*new, run.suite[run.first]])
    return edit


def insert_after(source: Source, statement: ast.stmt, text: str) -> Edit:
    """Insert statements behind another, below the comments that belong to that one.

    Args:
        source: the source.
        statement: the statement.
        text: the new ones: four spaces for each level, not indented as a whole.

    Raises:
        Refused: the statement shares its line with others and the new ones need lines of their own.
        ValueError: ``text`` is no Python.
    """
    run = Run(source, [statement])
    new = layout.parsed(text)
    first = layout.begin(source, run.suite[0]) if run.inline else run.start
    if run.inline or not run.ends_line:
        if not layout.is_simple(text, new) or hasattr(run.suite[run.last], "body"):
            raise Refused("the statement shares its line with others")
        edit = Edit(run.end, run.end, f"; {text.strip()}")
    else:
        indent = layout.indentation(source, first)
        offset = below(source, run, indent)
        edit = Edit(offset, offset, source.newline.join(["", *layout.block(source, text, indent)]))
    run.check(source.apply([edit]), [run.suite[run.first], *new])
    return edit


def delete(
    source: Source, statements: Sequence[ast.stmt], *, take_comments: bool = False, take_above: bool = True
) -> list[Edit]:
    """Delete statements; a suite that would be empty gets a ``pass``.

    The comment lines directly above a statement go with it if they speak of it alone (see `comments_above`); other
    comment lines around it stay.

    Args:
        source: the source.
        statements: the statements, of any suites.
        take_comments: delete the comments in them and behind them on their line as well, but never a suppression.
        take_above: delete the comment lines above that speak of a statement alone.

    Raises:
        Refused: a comment would be lost.
    """
    runs: list[Run] = []
    pending = [Run(source, [statement]) for statement in statements]
    pending.sort(key=lambda run: run.start)
    for run in pending:
        last = runs[-1] if runs else None
        # Neighbours on one line go together, and so do all statements of a suite, for the sake of its `pass`.
        if last is not None and last.suite is run.suite and last.last + 1 == run.first and not run.starts_line:
            runs[-1] = Run(source, last.suite[last.first : run.last + 1])
        elif last is not None and run.start < last.end:
            raise Refused("the statements hold one another")
        else:
            runs.append(run)
    gone = {id(run.suite[number]) for run in runs for number in range(run.first, run.last + 1)}
    edits: list[Edit] = []
    passed: set[int] = set()
    instead: dict[int, ast.AST] = {}
    for run in runs:
        emptied = not isinstance(run.parent, ast.Module) and all(id(item) in gone for item in run.suite)
        if emptied and id(run.suite) not in passed:
            passed.add(id(run.suite))
            _refuse_comments(source, run.start, run.end, take_comments)
            edits.append(Edit(run.start, run.end, "pass"))
        elif run.last + 1 < len(run.suite) and not run.ends_line:
            start = layout.begin(source, run.suite[run.last + 1])
            _refuse_comments(source, run.start, start, take_comments)
            edits.append(Edit(run.start, start, ""))
        elif run.first and not run.starts_line:
            start = source.span(run.suite[run.first - 1])[1]
            _refuse_comments(source, start, run.end, take_comments)
            edits.append(Edit(start, run.end, ""))
        else:
            end = layout.next_line(source, below(source, run, layout.indentation(source, run.start)))
            _refuse_comments(source, run.start, end, take_comments)
            start = layout.line_start(source, run.start)
            if "\f" in source.text[start : run.start]:
                start += source.text[start : run.start].rindex("\f") + 1
            above, alone = comments_above(source, run.suite[run.first])
            if above and alone and take_above:
                start = _above_comments(source, run, layout.indentation(source, run.start))
                if any(tokens.is_suppression(comment) for comment in above):
                    raise Refused("a suppression comment would be lost")
            edits.append(Edit(start, end, ""))
        remaining = [item for item in run.suite if id(item) not in gone]
        if emptied:
            remaining = [ast.Pass()]
        # A parent may lose statements of several suites.
        base = instead.get(id(run.parent), run.parent)
        instead[id(run.parent)] = tree.with_list(base, run.field, remaining)
    _verify(source, edits, instead)
    return edits


def replace(source: Source, statements: Sequence[ast.stmt], text: str) -> Edit:
    """Replace consecutive statements by others.

    Comment lines between the old statements move above the new ones; the comment behind the last one stays behind.

    Args:
        source: the source.
        statements: the statements.
        text: the new ones: four spaces for each level, not indented as a whole.

    Raises:
        Refused: a comment in a statement or behind one would be lost, or the statements share a line with others and
            the new ones need lines of their own.
        ValueError: ``text`` is no Python.
    """
    run = Run(source, statements)
    new = layout.parsed(text)
    if not new:
        raise ValueError("no statements to put in place of the old ones")
    kept: list[str] = []
    indent = layout.indentation(source, run.start)
    for offset, comment in tokens.of(source).comments(run.start, run.end):
        own_line = not source.text[layout.line_start(source, offset) : offset].strip()
        within = any(first <= offset < last for first, last in map(source.span, statements))
        if tokens.is_suppression(comment):
            raise Refused("a suppression comment stands inside")
        if within or not own_line:
            raise Refused("a comment would be lost")
        kept.append(indent + comment)
    if "#" in source.text[run.end : layout.line_end(source, run.end)] and run.ends_line:
        for _, comment in tokens.of(source).comments(run.end, layout.line_end(source, run.end)):
            if tokens.is_suppression(comment):
                raise Refused("a suppression comment stands behind")
    if run.ends_line and below(source, run, indent) > layout.line_end(source, run.end):
        raise Refused("a comment would be lost")
    if run.starts_line and run.ends_line:
        lines = [*kept, *layout.block(source, text, indent)]
        content = source.newline.join(lines)[len(indent) :]
        edit = Edit(run.start, run.end, content)
    elif layout.is_simple(text, new) and not kept:
        edit = Edit(run.start, run.end, text.strip())
    elif run.inline and run.is_suite and run.ends_line:
        read = tokens.of(source)
        colon = read.before(run.start)
        assert colon is not None
        indent += layout.unit(source, indent)
        lines = ["", *layout.block(source, text, indent)]
        edit = Edit(read.ends[colon], run.end, source.newline.join(lines))
    else:
        raise Refused("the statements share their line with others")
    run.check(source.apply([edit]), new)
    return edit


def comments_above(source: Source, statement: ast.stmt) -> tuple[list[str], bool]:
    """The comment lines directly above a statement, and whether they speak of it alone.

    They do where an empty line or the end of the suite follows; else they may be the heading of what follows as well.
    """
    run = Run(source, [statement])
    if not run.starts_line:
        return [], False
    indent = layout.indentation(source, run.start)
    first = _above_comments(source, run, indent)
    text = source.text[first : layout.line_start(source, run.start)]
    comments = [line.strip() for line in text.splitlines()]
    last = run.last == len(run.suite) - 1
    number = source.location(run.end).line + 1
    blank = number > len(source.line_starts) or not source.line(number).strip()
    return comments, bool(comments) and run.ends_line and (last or blank)


def below(source: Source, run: Run, indent: str) -> int:
    """The end of the line below which what follows a run goes.

    Comments that stand deeper than the run belong to the suite of its last statement.
    """
    offset = layout.line_end(source, run.end)
    if not hasattr(run.suite[run.last], "body"):
        return offset
    found = offset
    number = source.location(offset).line + 1
    while number <= len(source.line_starts):
        line = source.line(number)
        stripped = line.lstrip(" \t\f")
        if stripped and not (stripped.startswith("#") and len(line) - len(stripped) > len(indent)):
            break
        if stripped:
            found = source.line_starts[number - 1] + len(line)
        number += 1
    return found


def _above_comments(source: Source, run: Run, indent: str) -> int:
    """Where the comment lines directly above a statement start, at the start of a line, or the statement itself."""
    line = source.location(run.start).line
    start = source.line_starts[line - 1]
    if "\f" in source.text[start : run.start]:
        return run.start
    if isinstance(run.parent, ast.Module) and run.first == 0:
        return start
    while line > 1:
        above = source.line(line - 1)
        comment = above.lstrip(" \t")
        if not comment.startswith("#") or above != indent + comment or _FIXED_COMMENT.match(comment):
            break
        if tokens.of(source).inside_string(source.line_starts[line - 2]):
            break
        line -= 1
    return source.line_starts[line - 1]


def _refuse_comments(source: Source, start: int, end: int, take: bool) -> None:
    for _, comment in tokens.of(source).comments(start, end):
        if tokens.is_suppression(comment):
            raise Refused("a suppression comment would be lost")
        if not take:
            raise Refused("a comment would be lost")


def _verify(source: Source, edits: Sequence[Edit], instead: dict[int, ast.AST]) -> None:
    """Check the edits against the program that was asked for."""
    module = instead.get(id(tree.of(source)))
    assert module is None or isinstance(module, ast.Module)
    tree.verify(source, source.apply(edits), instead, module)
