"""Where a node stands in the tree of its source, and whether two trees are the same program."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlint.codemod.refused import Refused
from mlint.source import Source, SourceError

# LibCST's parser ends the process when it runs out of stack, at about 2,000 levels of brackets on a main thread's
# stack; its code generator needs several Python frames per level. This leaves a factor of ten for threads.
MAX_DEPTH = 100

_last: tuple[Source, ast.Module] | None = None

Position = tuple[int, int, int, int]


def of(source: Source) -> ast.Module:
    """The tree of a source; that of the source asked for last is remembered, since fixes come file by file.

    Raises:
        Refused: the source does not parse.
    """
    global _last  # noqa: PLW0603
    last = _last
    if last is not None and last[0] is source:
        return last[1]
    try:
        tree = source.parse()
    except SourceError as error:
        raise Refused(f"the file does not parse: {error.message}") from None
    _last = (source, tree)
    return tree


def quiet(text: str) -> ast.Module:
    """The tree of some code, without the warnings of Python's parser.

    Raises:
        SyntaxError: it is no Python, or nested too deeply.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "too deeply nested") from None


def expression(text: str) -> ast.expr:
    """The tree of an expression; it may span lines without parentheses of its own.

    Raises:
        SyntaxError: the text is no expression, or nested too deeply.
    """
    body = quiet(f"({text}\n)").body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise SyntaxError("it is no expression")
    return body[0].value


@dataclass(frozen=True, slots=True)
class Place:
    """A node in the tree of :func:`of` and the nodes above it, the module first."""

    node: ast.AST
    parents: tuple[ast.AST, ...]

    @property
    def parent(self) -> ast.AST:
        """The node directly above."""
        return self.parents[-1]

    @property
    def statement(self) -> ast.stmt:
        """The innermost statement that holds the node, or the node itself."""
        for node in (self.node, *reversed(self.parents)):
            if isinstance(node, ast.stmt):
                return node
        raise Refused("the node stands in no statement")

    @property
    def top(self) -> ast.expr:
        """The outermost expression of the statement that holds the node, or the node itself."""
        top = None
        for node in (self.node, *reversed(self.parents)):
            if isinstance(node, ast.stmt):
                break
            # A starred expression cannot be parsed alone; a statement never needs it as a whole.
            if isinstance(node, ast.expr) and not isinstance(node, ast.Starred):
                top = node
        if top is None:
            raise Refused("the node is no expression")
        return top

    @property
    def in_f_string(self) -> bool:
        """Whether the node stands in a replacement field of an f-string."""
        return any(isinstance(node, ast.JoinedStr) for node in self.parents)


def position(node: ast.AST) -> Position | None:
    """First line and column, last line and column; decorators count. None for nodes without a position."""
    try:
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        end: tuple[int, int] = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
    except AttributeError:
        return None
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.decorator_list:
        first = node.decorator_list[0]
        line, column = first.lineno, 0
    return (line, column, *end)


def place(source: Source, node: ast.AST) -> Place:
    """Find a node again by its position and type.

    Args:
        source: the source that the node comes from.
        node: a node of any tree that was parsed from it.

    Raises:
        Refused: there is no such node: it comes from another text, or from an f-string whose inner positions this
            version of Python does not know.
    """
    wanted = position(node)
    if wanted is None:
        raise Refused(f"a node of type {type(node).__name__} has no place of its own")
    start, end = wanted[:2], wanted[2:]
    current: ast.AST = of(source)
    parents: list[ast.AST] = []
    while True:
        if current is node or (type(current) is type(node) and position(current) == wanted):
            return Place(current, tuple(parents))
        for above, child, span in _positioned(current):
            # The pieces of an f-string have the span of the whole before Python 3.12: a dead end.
            if isinstance(child, ast.Constant) and not isinstance(node, ast.Constant):
                continue
            if span[:2] <= start and end <= span[2:]:
                parents.append(current)
                parents.extend(above)
                current = child
                break
        else:
            raise Refused("the node stands where this version of Python gives no exact position")


def _positioned(node: ast.AST) -> Iterator[tuple[tuple[ast.AST, ...], ast.AST, Position]]:
    """The nearest nodes below that have a position, with those without one in between."""
    pending: list[tuple[tuple[ast.AST, ...], ast.AST]] = [((), child) for child in ast.iter_child_nodes(node)]
    while pending:
        above, child = pending.pop()
        span = position(child)
        if span is not None:
            yield above, child, span
        else:
            pending.extend(((*above, child), below) for below in ast.iter_child_nodes(child))


def suite(where: Place) -> tuple[str, list[ast.stmt]]:
    """The list of statements that a statement belongs to and the field of the parent that holds it."""
    for field, value in ast.iter_fields(where.parent):
        if isinstance(value, list) and any(item is where.node for item in value):
            return field, value
    raise Refused("the statement stands in no suite")


def same(new: ast.AST, old: ast.AST, instead: Mapping[int, ast.AST] | None = None) -> bool:
    """Whether two trees are the same program, positions and contexts aside.

    Args:
        new: the tree to check.
        old: what it shall be.
        instead: for nodes of ``old``, by id, what shall stand in their place.
    """
    instead = instead or {}
    pending: list[tuple[object, object]] = [(new, old)]
    while pending:
        left, right = pending.pop()
        if isinstance(right, ast.AST):
            right = instead.get(id(right), right)
            if isinstance(left, ast.expr_context) and isinstance(right, ast.expr_context):
                continue
            if type(left) is not type(right):
                return False
            for field in right._fields:
                pending.append((getattr(left, field, None), getattr(right, field, None)))
        elif isinstance(right, list):
            if not isinstance(left, list) or len(left) != len(right):
                return False
            pending.extend(zip(left, right))
        # repr tells 0.0 from -0.0 and finds nan equal to itself, which == does not.
        elif type(left) is not type(right) or repr(left) != repr(right):
            return False
    return True


def depth(node: ast.AST) -> int:
    """How many levels of nodes there are, the node itself counted."""
    deepest = 0
    pending = [(node, 1)]
    while pending:
        current, level = pending.pop()
        deepest = max(deepest, level)
        pending.extend((child, level + 1) for child in ast.iter_child_nodes(current))
    return deepest


def refuse_moved(node: ast.AST) -> None:
    """Refuse nodes that mean something else when they move: walrus targets, ``await``, ``yield``."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.NamedExpr):
            raise Refused("the expression assigns a name with `:=`")
        if isinstance(inner, (ast.Await, ast.Yield, ast.YieldFrom)):
            raise Refused("the expression awaits or yields")


def verify(source: Source, new: Source, instead: Mapping[int, ast.AST], module: ast.Module | None = None) -> None:
    """Check that an edited source is the program that was asked for.

    Only the top-level statements that hold a replaced node, or whose text changed, are compared node by node.

    Args:
        source: before the edit.
        new: after it.
        instead: for nodes of the tree of ``source``, by id, what shall stand in their place.
        module: the module that shall come out, where its own list of statements changes.

    Raises:
        Refused: it does not parse, or is another program.
    """
    old = module or of(source)
    try:
        parsed = new.parse()
    except SourceError as error:
        raise Refused(f"the rewritten code would not parse: {error.message}") from None
    if len(parsed.body) != len(old.body):
        raise Refused("the rewrite would change the statements around it")
    prefix = _common(source.text, new.text)
    suffix = _common(source.text[prefix:][::-1], new.text[prefix:][::-1])
    for after, before in zip(parsed.body, old.body):
        begin, end = new.span(after)
        if end < prefix or begin > len(new.text) - suffix:
            continue
        if not same(after, before, instead):
            raise Refused("the rewritten code would mean something else")


def _common(left: str, right: str) -> int:
    """How many characters two texts have in common at their start."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low


def with_list(node: ast.AST, field: str, value: Sequence[ast.AST]) -> ast.AST:
    """A shallow copy of a node with another list in one field."""
    copy = type(node)(**{name: getattr(node, name, None) for name in node._fields})
    setattr(copy, field, list(value))
    return ast.copy_location(copy, node)
