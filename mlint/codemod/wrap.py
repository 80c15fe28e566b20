"""Put statements under a header, take them out of one, decorate a function."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from mlint.codemod import layout, statement, tokens, tree
from mlint.codemod.layout import Run
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source


def wrap(
    source: Source,
    statements: Sequence[ast.stmt],
    header: str,
    replacements: Mapping[ast.expr, str] | None = None,
) -> list[Edit]:
    """Put consecutive statements under a header such as ``with torch.no_grad():``.

    They are indented by one more level of the file's own unit, and so are the comments between them and at their end;
    the insides of strings stay as they are.

    Args:
        source: the source.
        statements: consecutive statements of one suite.
        header: the header, with its colon.
        replacements: expressions in the statements and the names to put in their place, which the header binds;
            their text, comments included, is taken to live on in the header.

    Raises:
        Refused: the statements are not consecutive, or share a line with others in a way that cannot be split.
        ValueError: ``header`` is no header of a compound statement, or a replacement is no name.
    """
    outer = layout.parsed(f"{header}\n    pass\n")
    if len(outer) != 1 or not hasattr(outer[0], "body"):
        raise ValueError(f"{header!r} is no header")
    run = Run(source, statements)
    if run.inline and not run.is_suite:
        raise Refused("the statements share their line with others")
    newline = source.newline
    indent = layout.indentation(source, run.start)
    edits: list[Edit] = []
    if run.inline:
        indent += layout.unit(source, indent)
    level = layout.unit(source, indent)
    opening = f"{header}{newline}{indent}{level}"
    if run.starts_line:
        edits.append(Edit(run.start, run.start, opening))
    else:
        read = tokens.of(source)
        # `if x: y` and `a; y`: the line breaks where the white space, and the semicolon, was.
        separator = read.before(run.start)
        assert separator is not None
        start = read.ends[separator] if run.inline else source.span(run.suite[run.first - 1])[1]
        edits.append(Edit(start, run.start, f"{newline}{indent}{opening}"))
    last = run.end
    if run.ends_line:
        last = _end(source, run, indent)
    edits += _indented(source, run.start, last, indent, level)
    if not run.ends_line:
        following = layout.begin(source, run.suite[run.last + 1])
        if tokens.of(source).comments(run.end, following):
            raise Refused("a comment would be lost")
        edits.append(Edit(run.end, following, f"{newline}{indent}"))
    instead: dict[int, ast.AST] = {}
    for node, name in (replacements or {}).items():
        if not name.isidentifier():
            raise ValueError(f"{name!r} is no name")
        instead[id(tree.place(source, node).node)] = ast.Name(name, ast.Load())
        begin, end = source.span(node)
        edits = [edit for edit in edits if not begin < edit.start < end]
        edits.append(Edit(begin, end, name))
    edits.sort()
    new = tree.with_list(outer[0], "body", run.suite[run.first : run.last + 1])
    assert isinstance(new, ast.stmt)
    run.check(source.apply(edits), [new], instead)
    return edits


def enclose(
    source: Source, first: ast.stmt, body: Sequence[ast.stmt], header: str, closing: ast.stmt | None = None
) -> list[Edit]:
    """Turn a statement into a header above the statements that follow it: ``f = open(p)`` into ``with open(p) as f:``.

    Args:
        source: the source.
        first: the statement that the header replaces; the comment behind it stays behind the header.
        body: the statements that follow it, which go under the header.
        header: the header, with its colon.
        closing: a statement that follows the body and is not needed any more.

    Raises:
        Refused: the statements do not follow each other or share lines, or a comment would be lost.
        ValueError: ``header`` is no header of a compound statement.
    """
    outer = layout.parsed(f"{header}\n    pass\n")
    if len(outer) != 1 or not hasattr(outer[0], "body"):
        raise ValueError(f"{header!r} is no header")
    whole = Run(source, [first, *body, *([] if closing is None else [closing])])
    inner = Run(source, body)
    old = Run(source, [first])
    if whole.inline or not (old.starts_line and old.ends_line and inner.starts_line and inner.ends_line):
        raise Refused("the statements share their line with others")
    kept = header.count("#")
    if len(tokens.of(source).comments(old.start, old.end)) > kept:
        raise Refused("a comment would be lost")
    indent = layout.indentation(source, old.start)
    level = layout.unit(source, indent)
    edits = [Edit(old.start, old.end, header)]
    last = _end(source, inner, indent)
    if closing is not None:
        # Comments between the body and the closing statement, at its depth, belong to that one.
        gone = Run(source, [closing])
        if not (gone.starts_line and gone.ends_line):
            raise Refused("the statements share their line with others")
        removed = _whole_lines(source, gone)
        if tokens.of(source).comments(layout.next_line(source, last), removed.end):
            raise Refused("a comment would be lost")
        edits.append(removed)
    edits += _indented(source, old.end, last, indent, level)
    blank = following = layout.next_line(source, old.end)
    while following < len(source.text) and not source.line(source.location(following).line).strip():
        following = layout.next_line(source, following)
    if following > blank:
        edits.append(Edit(blank, following, ""))  # no blank lines below a header
    edits.sort()
    new = tree.with_list(outer[0], "body", inner.suite[inner.first : inner.last + 1])
    assert isinstance(new, ast.stmt)
    whole.check(source.apply(edits), [new])
    return edits


def _whole_lines(source: Source, run: Run) -> Edit:
    """The edit that removes the lines of a statement, and one of two blank lines that would meet."""
    start, end = layout.line_start(source, run.start), layout.next_line(source, run.end)
    number, following = source.location(start).line, source.location(run.end).line + 1
    if number > 1 and not source.line(number - 1).strip():
        if following > len(source.line_starts) or not source.line(following).strip():
            start = source.line_starts[number - 2]
    return Edit(start, end, "")


def unwrap_tail(source: Source, with_statement: ast.With | ast.AsyncWith, first: ast.stmt) -> list[Edit]:
    """Move the statements of a ``with`` from one on out of it, behind it.

    Args:
        source: the source.
        with_statement: the statement whose suite gets shorter.
        first: the first statement of its suite to move.

    Raises:
        Refused: nothing would stay in the suite, or its statements share lines.
    """
    outer = Run(source, [with_statement])
    container = outer.suite[outer.first]
    assert isinstance(container, (ast.With, ast.AsyncWith))
    begin = Run(source, [first])
    if begin.suite is not container.body:
        raise Refused("the statement is not one of the suite")
    if begin.first == 0:
        raise Refused("nothing would stay in the suite")
    run = Run(source, begin.suite[begin.first :])
    if begin.inline or not begin.starts_line or not outer.starts_line or not outer.ends_line:
        raise Refused("the statements share their line with others")
    indent = layout.indentation(source, outer.start)
    deeper = layout.indentation(source, run.start)
    if not deeper.startswith(indent):
        raise Refused("the indentation mixes tabs and spaces")
    # The comment lines directly above go with the first statement.
    line = source.location(run.start).line
    while line > 1 and source.line(line - 1).startswith(f"{deeper}#"):
        line -= 1
    edits = []
    read = tokens.of(source)
    for start in source.line_starts[line - 1 :]:
        if start > _end(source, run, deeper):
            break
        text = source.line(source.location(start).line)
        if read.inside_string(start) or not text.strip() or not text.startswith(deeper):
            continue
        edits.append(Edit(start + len(indent), start + len(deeper), ""))
    moved = container.body[begin.first :]
    shorter = tree.with_list(container, "body", container.body[: begin.first])
    assert isinstance(shorter, ast.stmt)
    outer.check(source.apply(edits), [shorter, *moved])
    return edits


def decorate(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, decorator: str) -> Edit:
    """Put a decorator directly above a function, below the decorators that it has.

    So it stays inside of ``@property``, ``@staticmethod`` and ``@classmethod``.

    Args:
        source: the source.
        function: the function or class.
        decorator: the decorator, with its ``@``.

    Raises:
        Refused: the outcome would not be the decorated function.
        ValueError: ``decorator`` is none.
    """
    decorated = layout.parsed(f"{decorator}\ndef _(): pass\n")[-1]
    if not isinstance(decorated, ast.FunctionDef) or len(decorated.decorator_list) != 1:
        raise ValueError(f"{decorator!r} is no decorator")
    run = Run(source, [function])
    start = source.span(function)[0]
    if not layout.starts_line(source, start):
        raise Refused("the function shares its line with others")
    edit = Edit(start, start, f"{decorator}{source.newline}{layout.indentation(source, start)}")
    old = run.suite[run.first]
    assert isinstance(old, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    new = tree.with_list(old, "decorator_list", [*old.decorator_list, *decorated.decorator_list])
    assert isinstance(new, ast.stmt)
    run.check(source.apply([edit]), [new])
    return edit


def _end(source: Source, run: Run, indent: str) -> int:
    """The end of the last line that belongs to a run: comments below it that stand deeper, or end its suite."""
    found = statement.below(source, run, indent)
    if run.last + 1 < len(run.suite):
        return found
    number = source.location(found).line + 1
    while number <= len(source.line_starts):
        line = source.line(number)
        if not line.startswith(f"{indent}#") or not indent:
            break
        found = source.line_starts[number - 1] + len(line)
        number += 1
    return found


def _indented(source: Source, start: int, end: int, indent: str, level: str) -> list[Edit]:
    """The edits that indent the lines below the first one of a span by one more level."""
    read = tokens.of(source)
    edits = []
    for number in range(source.location(start).line + 1, source.location(end).line + 1):
        offset = source.line_starts[number - 1]
        line = source.line(number)
        if read.inside_string(offset) or not line.strip():
            continue
        offset += line.rfind("\f", 0, len(line) - len(line.lstrip(" \t\f"))) + 1
        if source.text.startswith(indent, offset):
            offset += len(indent)
        edits.append(Edit(offset, offset, level))
    return edits
