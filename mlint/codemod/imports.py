"""Add an import, and change what an import imports."""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING

from mlint.codemod import layout, statement, tokens
from mlint.codemod import slice as slices
from mlint.codemod import tree as trees
from mlint.codemod.keyword import shortest
from mlint.codemod.layout import Run
from mlint.codemod.refused import Refused
from mlint.finding import Edit
from mlint.source import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    import libcst as cst

Import = ast.Import | ast.ImportFrom


def add(source: Source, tree: ast.Module, text: str) -> Edit | None:
    """Add an import to the imports at the top of a module.

    It goes below the docstring and the ``__future__`` imports, into the first run of imports, among its kind and in
    alphabetical order; never into a ``try`` or an ``if``. In a notebook it goes into the first cell that imports
    something, below what that cell does before, which may be what installs it.

    Args:
        source: the source.
        tree: its tree.
        text: one import of one name: ``import copy``, ``import numpy as np`` or ``from x import y``.

    Returns:
        The edit, None where the module imports that already.

    Raises:
        Refused: the statements at the top share lines.
        ValueError: ``text`` is no such import.
    """
    parsed = layout.parsed(text)
    if len(parsed) != 1 or not isinstance(parsed[0], (ast.Import, ast.ImportFrom)) or len(parsed[0].names) != 1:
        raise ValueError(f"{text!r} is no import of one name")
    new = parsed[0]
    body = tree.body
    if any(_provides(item, new) for item in body):
        return None
    text = text.strip()
    if source.is_notebook:
        edit, number = _in_first_cell(source, body, new, text)
        return _verified(source, tree, edit, new, number)
    head = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        head = 1 if isinstance(body[0].value.value, str) else 0
    while head < len(body) and _is_future(body[head]):
        head += 1
    first = head
    while first < len(body) and not isinstance(body[first], (ast.Import, ast.ImportFrom)):
        first += 1
    # Imports far below the first code are somebody's order of execution; the new one goes above all code then.
    if first < len(body) and all(_is_preamble(item) for item in body[head:first]):
        last = first
        while last + 1 < len(body) and isinstance(body[last + 1], (ast.Import, ast.ImportFrom)):
            last += 1
        block = [item for item in body[first : last + 1] if isinstance(item, (ast.Import, ast.ImportFrom))]
        edit, number = _among(source, block, new, text)
        number += first
    else:
        edit, number = _on_top(source, body, head, text)
    return _verified(source, tree, edit, new, number)


def _verified(source: Source, tree: ast.Module, edit: Edit, new: Import, number: int) -> Edit:
    changed = trees.with_list(tree, "body", [*tree.body[:number], new, *tree.body[number:]])
    assert isinstance(changed, ast.Module)
    trees.verify(source, source.apply([edit]), {}, changed)
    return edit


def replace_name(source: Source, node: ast.ImportFrom, old: str, module: str, name: str) -> Edit:
    """Import one name of a ``from`` import from elsewhere; the others stay where they are.

    An ``as`` stays. Without one, code that uses the old name must be rewritten as well when ``name`` differs.

    Args:
        source: the source.
        node: the import.
        old: the name as it is imported now.
        module: where to import it from; dots at its start make it relative.
        name: its name there.

    Raises:
        Refused: the import has no such name, or a comment belongs to it.
        ValueError: ``module`` and ``name`` are no names.
    """
    import libcst as cst

    run, index = _find(source, node, old)
    alias = node.names[index]
    suffix = f" as {alias.asname}" if alias.asname else ""
    text = f"from {module} import {name}{suffix}"
    new = layout.parsed(text)
    if len(new) != 1 or not isinstance(new[0], ast.ImportFrom):
        raise ValueError(f"{text!r} is no import")
    content, found = _slice(source, run)
    if not isinstance(found, cst.ImportFrom) or isinstance(found.names, cst.ImportStar):
        raise Refused("the import takes all names")
    template = _small(cst.parse_statement(text))
    assert isinstance(template, cst.ImportFrom)
    names = list(found.names)
    expected: list[ast.stmt]
    if len(names) == 1 or (node.module == new[0].module and node.level == new[0].level):
        names[index] = names[index].with_changes(name=cst.Name(name))
        changed = slices.code(found.with_changes(module=template.module, relative=template.relative, names=names))
        renamed = [*node.names[:index], new[0].names[0], *node.names[index + 1 :]]
        expected = [ast.ImportFrom(new[0].module, renamed, new[0].level)]
    else:
        changed = slices.code(_without(found, index))
        rest = [item for number, item in enumerate(node.names) if number != index]
        expected = [ast.ImportFrom(node.module, rest, node.level)]
        if run.starts_line and run.ends_line and not run.inline:
            # In front, so that a comment behind the old import stays with it.
            changed = f"{text}\n{layout.indentation(source, run.start)}{changed}"
        else:
            changed = f"{text}; {changed}"
        expected.insert(0, new[0])
    return _checked(source, run, content, changed, expected)


def remove_name(source: Source, node: Import, name: str) -> Edit:
    """Import one name less; the whole statement goes when it was the only one.

    Args:
        source: the source.
        node: the import.
        name: the name as it is imported, not what ``as`` calls it.

    Raises:
        Refused: the import has no such name, or a comment belongs to it.
    """
    import libcst as cst

    run, index = _find(source, node, name)
    if len(node.names) == 1:
        (edit,) = statement.delete(source, [node])
        return edit
    content, found = _slice(source, run)
    if not isinstance(found, (cst.Import, cst.ImportFrom)) or isinstance(found.names, cst.ImportStar):
        raise Refused("the import cannot be found again")
    changed = slices.code(_without(found, index))
    rest = [item for number, item in enumerate(node.names) if number != index]
    new = ast.Import(rest) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, rest, node.level)
    return _checked(source, run, content, changed, [new])


def _provides(item: ast.stmt, new: Import) -> bool:
    """Whether a statement of the module imports what the new import would."""
    wanted = new.names[0]
    if isinstance(item, ast.Import) and isinstance(new, ast.Import):
        pass
    elif isinstance(item, ast.ImportFrom) and isinstance(new, ast.ImportFrom):
        if item.module != new.module or item.level != new.level:
            return False
    else:
        return False
    return any(alias.name == wanted.name and alias.asname == wanted.asname for alias in item.names)


def _is_future(item: ast.stmt) -> bool:
    return isinstance(item, ast.ImportFrom) and item.module == "__future__" and not item.level


def _is_preamble(item: ast.stmt) -> bool:
    """Whether a statement in front of the imports is of the kind that people put there: ``__version__ = "1"``."""
    return (
        isinstance(item, ast.Assign)
        and isinstance(item.value, (ast.Constant, ast.List, ast.Tuple))
        and all(isinstance(target, ast.Name) and target.id.startswith("__") for target in item.targets)
    )


def _section(item: Import) -> int:
    """The section of a sorted block of imports: standard library, other packages, relative."""
    if isinstance(item, ast.ImportFrom) and item.level:
        return 2
    name = item.names[0].name if isinstance(item, ast.Import) else (item.module or "")
    return 0 if name.partition(".")[0] in sys.stdlib_module_names else 1


def _key(item: Import) -> str:
    return (item.names[0].name if isinstance(item, ast.Import) else "." * item.level + (item.module or "")).lower()


def _among(source: Source, block: list[Import], new: Import, text: str) -> tuple[Edit, int]:
    """The edit that puts an import into a run of imports, and its number among them."""
    section = _section(new)
    peers = [number for number, item in enumerate(block) if _section(item) == section]
    style = [number for number in peers if type(block[number]) is type(new)]
    following: list[int] = []
    if style:
        following = [number for number in style if _key(block[number]) > _key(new)]
    elif not peers:
        following = [number for number, item in enumerate(block) if _section(item) > section]
    elif isinstance(new, ast.Import):
        # `import x` stands above `from x import y`.
        following = peers
    number = following[0] if following else (style or peers or [len(block) - 1])[-1] + 1
    separate = "" if peers else source.newline
    # Below the one above rather than above the one below: a comment in between belongs to that one.
    if number and (number - 1 in peers or not following):
        end = source.span(block[number - 1])[1]
        if layout.ends_line(source, end):
            offset = layout.line_end(source, end)
            return Edit(offset, offset, f"{source.newline}{separate}{text}"), number
    # Where imports share lines, the new one goes above the line.
    while number and (number == len(block) or not layout.starts_line(source, layout.begin(source, block[number]))):
        number -= 1
    start = layout.begin(source, block[number])
    if not layout.starts_line(source, start):
        raise Refused("the imports share their line with other code")
    return Edit(start, start, f"{text}{source.newline}{separate}"), number


def _in_first_cell(source: Source, body: Sequence[ast.stmt], new: Import, text: str) -> tuple[Edit, int]:
    """The edit that puts an import into the first cell of a notebook that imports something at its top level."""
    first = 0
    while first < len(body) and (not isinstance(body[first], (ast.Import, ast.ImportFrom)) or _is_future(body[first])):
        first += 1
    if first == len(body):
        raise Refused("no cell imports anything")
    last = first
    cell = source.part(source.span(body[first])[0])
    while last + 1 < len(body) and isinstance(body[last + 1], (ast.Import, ast.ImportFrom)):
        if source.part(source.span(body[last + 1])[0]) != cell:
            break
        last += 1
    block = [item for item in body[first : last + 1] if isinstance(item, (ast.Import, ast.ImportFrom))]
    edit, number = _among(source, block, new, text)
    return edit, number + first


def _on_top(source: Source, body: Sequence[ast.stmt], head: int, text: str) -> tuple[Edit, int]:
    """The edit that puts an import above all code of a module that has no run of imports at its top."""
    newline = source.newline
    if head:
        previous = body[head - 1]
        end = source.span(previous)[1]
        if not layout.ends_line(source, end):
            raise Refused("the statement at the top shares its line with others")
        offset = layout.line_end(source, end)
        following = layout.next_line(source, offset)
        blank = "" if following >= len(source.text) or not _line_at(source, following).strip() else newline
        return Edit(offset, offset, f"{newline}{newline}{text}{blank}"), head
    # Below the comments at the very top: #!, PEP 263, the licence.
    number = 1
    while number <= len(source.line_starts) and source.line(number).startswith("#"):
        if re.match(r"#\s*(?:%%|In\[)", source.line(number)):
            break
        number += 1
    if number > len(source.line_starts):
        end = len(source.text)
        return Edit(end, end, f"{newline}{newline}{text}{newline}"), 0
    offset = source.line_starts[number - 1]
    if not body and offset == len(source.text):
        gap = newline if offset else ""
        return Edit(offset, offset, f"{gap}{text}{newline}"), 0
    blank = newline if _line_at(source, offset).strip() else ""
    gap = newline if offset else ""
    return Edit(offset, offset, f"{gap}{text}{newline}{blank}"), 0


def _line_at(source: Source, offset: int) -> str:
    return source.line(source.location(offset).line)


def _find(source: Source, node: Import, name: str) -> tuple[Run, int]:
    run = Run(source, [node])
    for index, alias in enumerate(node.names):
        if alias.name == name:
            return run, index
    raise Refused(f"the statement does not import {name}")


def _small(node: cst.BaseCompoundStatement | cst.SimpleStatementLine) -> cst.CSTNode:
    """The one statement on a line."""
    if len(node.body.body if hasattr(node.body, "body") else node.body) != 1:
        raise Refused("the statements share their line with others")
    found = node.body[0]  # type: ignore[index]
    assert not isinstance(found, str)
    return found


def _slice(source: Source, run: Run) -> tuple[str, cst.CSTNode]:
    """The text of an import statement and its LibCST tree."""
    import libcst as cst

    text = source.text[run.start : run.end]
    slices.line_end(text)
    try:
        found = _small(cst.parse_statement(slices.unify(text)))
        if slices.code(found) != slices.unify(text):
            raise Refused("the layout cannot be kept")
    except (cst.ParserSyntaxError, cst.CSTValidationError, RecursionError):
        raise Refused("LibCST cannot parse the import") from None
    return text, found


def _without(node: cst.CSTNode, index: int) -> cst.CSTNode:
    """An import without one of its names; the last one keeps what stood in front of the closing parenthesis."""
    import libcst as cst

    assert isinstance(node, (cst.Import, cst.ImportFrom))
    assert not isinstance(node.names, cst.ImportStar)
    names = list(node.names)
    gone = names.pop(index)
    if index < len(names):
        return node.with_changes(names=names)
    comma = names[-1].comma
    assert isinstance(comma, cst.Comma)
    rpar = node.rpar if isinstance(node, cst.ImportFrom) else None
    if rpar is None:
        names[-1] = names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return node.with_changes(names=names)
    trailing = isinstance(gone.comma, cst.Comma)
    between = comma.whitespace_after
    closing = gone.comma.whitespace_after if isinstance(gone.comma, cst.Comma) else rpar.whitespace_before
    if "#" in slices.code(closing):
        raise Refused("a comment would be lost")
    if "#" in slices.code(between):
        # The comment of the name in front: it keeps its comma.
        if isinstance(between, cst.ParenthesizedWhitespace):
            last = closing.last_line if isinstance(closing, cst.ParenthesizedWhitespace) else cst.SimpleWhitespace("")
            closing = between.with_changes(last_line=last)
        trailing = True
    if trailing:
        names[-1] = names[-1].with_changes(comma=comma.with_changes(whitespace_after=closing))
        rpar = rpar.with_changes(whitespace_before=cst.SimpleWhitespace(""))
    else:
        names[-1] = names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return node.with_changes(names=names, rpar=rpar)


def _checked(source: Source, run: Run, old: str, new: str, expected: Sequence[ast.stmt]) -> Edit:
    """The edit of an import statement, checked for comments and meaning."""
    read = tokens.of(source)
    before = [comment for _, comment in read.comments(run.start, run.end)]
    if any(map(tokens.is_suppression, before)):
        raise Refused("a suppression comment stands inside")
    inner = tokens.Tokens(Source(new, ""))
    if sorted(before) != sorted(comment for _, comment in inner.comments(0, len(new))):
        raise Refused("a comment would be lost")
    content = new.replace("\n", slices.line_end(old) or source.newline)
    edit = shortest(run.start, old, content)
    run.check(source.apply([edit]), expected)
    return edit
