"""The shape of a file's syntax tree: who stands in whom.

CPython's nodes do not know their parents. Most files never need to: the links are made for one top-level statement
at a time, the first time that somebody asks about a node in it.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import TypeAlias

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
LoopNode: TypeAlias = ast.For | ast.AsyncFor | ast.While

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
SCOPES = (*FUNCTIONS, *COMPREHENSIONS, ast.ClassDef, ast.Lambda)

_SUITES = ("body", "orelse", "finalbody")

# Fields that never hold a node that a rule or the model asks about.
_LEAF_FIELDS = frozenset(
    "ctx op ops id attr arg name kind type_comment type_ignores level module simple is_async conversion asname "
    "names tag lineno".split()
)
_LIST_FIELDS = frozenset(
    "body orelse finalbody handlers targets args keywords elts values keys decorator_list bases items generators "
    "ifs comparators cases patterns kwd_patterns posonlyargs kwonlyargs kw_defaults defaults type_params".split()
)


def _child_fields(node_type: type[ast.AST]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a node type that hold one node, and those that hold a list of nodes."""
    single: list[str] = []
    many: list[str] = []
    function_like = issubclass(node_type, (*FUNCTIONS, ast.Lambda))
    for field in node_type._fields:
        if field in _LEAF_FIELDS:
            continue
        one_node = (field == "args" and function_like) or (
            field in ("body", "orelse") and issubclass(node_type, (ast.IfExp, ast.Lambda, ast.Expression))
        )
        if field in _LIST_FIELDS and not one_node:
            many.append(field)
        else:
            single.append(field)
    return tuple(single), tuple(many)


def _node_types() -> Iterator[type[ast.AST]]:
    pending: list[type[ast.AST]] = [ast.AST]
    while pending:
        node_type = pending.pop()
        yield node_type
        pending.extend(node_type.__subclasses__())


_NO_CHILDREN: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


class _ChildFields(dict[type, tuple[tuple[str, ...], tuple[str, ...]]]):
    """A plain value in a field of nodes (a newer Python's node type, say) has no children."""

    def __missing__(self, key: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return _NO_CHILDREN


CHILD_FIELDS = _ChildFields((node_type, _child_fields(node_type)) for node_type in _node_types())
"""Node type → (fields with one child, fields with a list of children): what every walk of a tree goes by."""
for _leaf in (type(None), ast.Constant, ast.Global, ast.Nonlocal, ast.MatchStar, ast.MatchSingleton):
    CHILD_FIELDS[_leaf] = _NO_CHILDREN
CHILD_FIELDS[ast.MatchMapping] = ((), ("keys", "patterns"))  # its `rest` is a plain string
CHILD_FIELDS[ast.MatchClass] = (("cls",), ("patterns", "kwd_patterns"))  # its `kwd_attrs` are plain strings


_ONE, _MANY, _MANY_OR_NONE = 0, 1, 2
_Ordered = tuple[tuple[str, int], ...]


class _OrderedFields(dict[type, _Ordered]):
    """Node type → its child fields in the order of the grammar, made when first asked for."""

    def __missing__(self, key: type) -> _Ordered:
        single, many = CHILD_FIELDS[key]
        holes = ("keys", "kw_defaults")
        made = self[key] = tuple(
            (name, _ONE if name in single else _MANY_OR_NONE if name in holes else _MANY)
            for name in getattr(key, "_fields", ())
            if name in single or name in many
        )
        return made


_ORDERED = _OrderedFields()


def children(node: ast.AST) -> list[ast.AST]:
    """The child nodes in the order of the fields; contexts, operators and import aliases left out."""
    found: list[ast.AST] = []
    for name, how in _ORDERED[node.__class__]:
        if how == _ONE:
            child = getattr(node, name, None)
            if child is not None:
                found.append(child)
        elif how == _MANY:
            found += getattr(node, name, ())
        else:
            found += [child for child in getattr(node, name, ()) if child is not None]
    return found


_LEAVES = frozenset({ast.Name, ast.Constant, ast.Pass, ast.Break, ast.Continue, ast.alias})


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all nodes below it, parents first, in source order."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if current.__class__ not in _LEAVES:
            found = children(current)
            found.reverse()
            stack += found


def walk_blocks(statements: list[ast.stmt], *, own: bool = False) -> Iterator[ast.stmt]:
    """All statements in some blocks, at any depth, in source order; expressions are not looked into.

    Args:
        statements: a block.
        own: leave out the insides of nested functions and classes.
    """
    stack = statements[::-1]
    while stack:
        statement = stack.pop()
        yield statement
        if _BLOCKS[statement.__class__] and not (own and statement.__class__ in _INNER_SCOPES):
            blocks = list(suites(statement))
            for block in reversed(blocks):
                stack += block[::-1]


def walk_scope(node: ast.AST) -> Iterator[ast.AST]:
    """As `walk`, without the insides of nested functions, classes and lambdas (these themselves are yielded).

    Their decorators, default values and base classes belong to the outer scope and are walked.
    """
    yield node
    stack = children(node)
    stack.reverse()
    while stack:
        current = stack.pop()
        yield current
        node_type = current.__class__
        if node_type in _LEAVES:
            continue
        found = outer_parts(current) if node_type in _INNER_SCOPES else children(current)
        found.reverse()
        stack += found


_INNER_SCOPES = frozenset({*FUNCTIONS, ast.ClassDef, ast.Lambda})


def walk_statements(statements: list[ast.stmt]) -> Iterator[ast.AST]:
    """`walk_scope` over a list of statements."""
    for statement in statements:
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            yield statement
            for part in outer_parts(statement):
                yield from walk_scope(part)
        else:
            yield from walk_scope(statement)


def outer_parts(node: ast.AST) -> list[ast.AST]:
    """What of a function, class or lambda is evaluated in the scope around it."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    if isinstance(node, (*FUNCTIONS, ast.Lambda)):
        defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
        return [*(() if isinstance(node, ast.Lambda) else node.decorator_list), *defaults]
    return []


def first_line(statement: ast.stmt) -> int:
    """The line on which a statement begins, decorators included."""
    decorators = getattr(statement, "decorator_list", None)
    return min(statement.lineno, decorators[0].lineno) if decorators else statement.lineno


class _Blocks(dict[type, tuple[str, ...]]):
    """Node type → its fields that hold blocks of statements, or handlers and cases, which do."""

    def __missing__(self, key: type) -> tuple[str, ...]:
        fields = getattr(key, "_fields", ())
        many = CHILD_FIELDS[key][1]
        made = self[key] = tuple(name for name in (*_SUITES, "handlers", "cases") if name in fields and name in many)
        return made


_BLOCKS = _Blocks()


def suites(statement: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements directly inside a statement (also of its handlers and match cases)."""
    for name in _BLOCKS[statement.__class__]:
        found = getattr(statement, name)
        if name in ("handlers", "cases"):
            for part in found:
                yield part.body
        elif found:
            yield found


def position(node: ast.AST) -> tuple[int, int]:
    """Line and column, for ordering nodes as they stand in the file."""
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


class Seen:
    """What a walk over a whole file can note on its way.

    Attributes:
        bound: the names that the file binds anywhere.
        again: those that are bound more than once.
        calls: all calls.
        functions: the names of all functions and methods.
        referring: the names that may stand for what another name stands for: of imports and of aliases.
        loops: all loops.
        repeating: these, and all comprehensions and lambdas.
    """

    __slots__ = ("again", "bound", "calls", "functions", "loops", "referring", "repeating")

    def __init__(
        self,
        bound: set[str],
        again: set[str],
        calls: list[ast.Call],
        functions: set[str],
        referring: set[str],
        loops: list[LoopNode],
        repeating: list[ast.expr],
    ) -> None:
        self.bound = bound
        self.again = again
        self.calls = calls
        self.functions = functions
        self.referring = referring
        self.loops = loops
        self.repeating: list[LoopNode | ast.expr] = [*loops, *repeating]


def _outermost(nodes: Sequence[ast.stmt | ast.expr]) -> list[tuple[int, int]]:
    """The first and the last lines of those of some nodes that stand in no other one, in their order."""
    found: list[tuple[int, int]] = []
    for node in sorted(nodes, key=position):
        end = node.end_lineno or node.lineno
        if not found or node.lineno > found[-1][1]:
            found.append((node.lineno, end))
        elif end > found[-1][1]:  # two on one line
            found[-1] = (found[-1][0], end)
    return found


class Tree:
    """A module's tree with its parent links.

    Attributes:
        module: the root.

    Args:
        module: the root.
        seen: what a walk over it has noted, if there was one.
    """

    def __init__(self, module: ast.Module, seen: Seen | None = None) -> None:
        self.module = module
        self._seen = seen
        self._parents: dict[ast.AST, ast.AST] = {}
        self._linked: set[ast.AST] = set()
        self._starts: dict[ast.AST, list[tuple[int, int]]] = {}

    @cached_property
    def calls(self) -> list[ast.Call]:
        """All calls, in source order."""
        if self._seen is None:
            return [node for node in walk(self.module) if isinstance(node, ast.Call)]
        return sorted(self._seen.calls, key=position)

    @cached_property
    def function_names(self) -> AbstractSet[str]:
        """The names of all functions and methods: what has another name is none of them."""
        if self._seen is None:
            return {node.name for node in walk_blocks(self.module.body) if isinstance(node, FUNCTIONS)}
        return self._seen.functions

    def _link(self, node: ast.AST) -> None:
        """Make the parent links of the part of the file that holds ``node``: a statement of the module, or one of a
        class, since a class can be most of a file.
        """
        place = _place(node)
        if place is None:  # `arguments` without any
            self._link_all()
            return
        parents = self._parents
        owner: ast.Module | ast.ClassDef = self.module
        while owner.body:
            starts = self._starts.get(owner)
            if starts is None:
                starts = self._starts[owner] = [(first_line(part), part.col_offset) for part in owner.body]
            # A decorator begins on the right of its `@`, hence not before the place of its statement.
            index = bisect_right(starts, place) - 1
            if index < 0:
                return
            statement = owner.body[index]
            parents[statement] = owner
            if statement is node:
                return
            if not isinstance(statement, ast.ClassDef):
                self._link_below(statement, [statement])
                return
            self._link_header(statement)
            if node in parents:
                return
            owner = statement

    def parts(self, line: int) -> list[ast.AST]:
        """What stands on a line: statements of the module and of classes, and what the head of a class is made of."""
        found: list[ast.AST] = []
        pending: list[list[ast.stmt]] = [self.module.body]
        while pending:
            block = pending.pop()
            index = bisect_right(block, line, key=first_line)
            while index > 0 and (block[index - 1].end_lineno or 0) >= line:
                index -= 1
                statement = block[index]
                if isinstance(statement, ast.ClassDef):
                    found += outer_parts(statement)
                    pending.append(statement.body)
                else:
                    found.append(statement)
        return found

    def _link_header(self, definition: ast.ClassDef) -> None:
        if definition not in self._linked:
            parts: list[ast.AST] = [*definition.decorator_list, *definition.bases, *definition.keywords]
            parts += getattr(definition, "type_params", ())
            for part in parts:
                self._parents[part] = definition
            self._link_below(definition, parts)

    def _link_all(self) -> None:
        pending: list[ast.Module | ast.ClassDef] = [self.module]
        while pending:
            owner = pending.pop()
            for statement in owner.body:
                self._parents[statement] = owner
                if isinstance(statement, ast.ClassDef):
                    self._link_header(statement)
                    pending.append(statement)
                else:
                    self._link_below(statement, [statement])

    def _link_below(self, part: ast.AST, stack: list[ast.AST]) -> None:
        """Make the links of all that stands below some nodes, once for each ``part``."""
        if part in self._linked:
            return
        self._linked.add(part)
        parents = self._parents
        fields, leaves = CHILD_FIELDS, _LEAVES
        pop, push = stack.pop, stack.append
        while stack:
            current = pop()
            single, many = fields[current.__class__]
            for name in single:
                child = getattr(current, name, None)
                if child is not None:
                    parents[child] = current
                    if child.__class__ not in leaves:
                        push(child)
            for name in many:
                for child in getattr(current, name, ()):
                    if child is not None:
                        parents[child] = current
                        if child.__class__ not in leaves:
                            push(child)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that holds ``node``; None for the module."""
        found = self._parents.get(node)
        if found is None and node is not self.module:
            self._link(node)
            found = self._parents.get(node)
            if found is None:  # before Python 3.12 the parts of an f-string can claim to stand on other lines
                self._link_all()
                found = self._parents.get(node)
        return found

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around ``node``, innermost first, the module last."""
        current = self.parent(node)
        while current is not None:
            yield current
            current = self._parents.get(current)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds ``node`` (itself if it is one).

        Raises:
            ValueError: for the module.
        """
        current: ast.AST | None = node
        while current is not None and not isinstance(current, ast.stmt):
            current = self.parent(current)
        if current is None:
            raise ValueError("the module is not inside a statement")
        return current

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost scope (module, function, lambda, class or comprehension) in which ``node`` is evaluated.

        A default value, a decorator or a base class is evaluated outside the function or class that it belongs to,
        and the first iterable of a comprehension outside that comprehension.
        """
        below, child = node, node
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, SCOPES) and _is_inside(ancestor, child, below):
                return ancestor
            below, child = child, ancestor
        return self.module

    def outer_scope(self, scope: ast.AST) -> ast.AST | None:
        """The scope in which names that a scope does not bind are looked up; None for the module."""
        if isinstance(scope, ast.Module):
            return None
        outer = self.scope(scope)
        while isinstance(outer, ast.ClassDef):  # functions in a class do not see the names of its body
            outer = self.scope(outer)
        return outer

    def function(self, node: ast.AST) -> FunctionNode | None:
        """The innermost `def` whose body holds ``node``; lambdas and comprehensions are looked through."""
        child = node
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, FUNCTIONS) and _is_inside(ancestor, child, child):
                return ancestor
            child = ancestor
        return None

    def functions(self, node: ast.AST) -> Iterator[FunctionNode]:
        """All `def`s around ``node``, innermost first."""
        current = self.function(node)
        while current is not None:
            yield current
            current = self.function(current)

    def class_of(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class around ``node``, at any depth of functions."""
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, ast.ClassDef):
                return ancestor
        return None

    @cached_property
    def _lines_of_loops(self) -> list[tuple[int, int]]:
        return _outermost(self._seen.loops if self._seen is not None else ())

    @cached_property
    def _lines_of_repeating(self) -> list[tuple[int, int]]:
        return _outermost(self._seen.repeating if self._seen is not None else ())

    def may_repeat(self, node: ast.AST, *, expressions: bool = False) -> bool:
        """Whether a node stands on the lines of a loop, with ``expressions`` also of a comprehension or a lambda: a
        look that needs no parent links.
        """
        if self._seen is None:
            return True
        line = getattr(node, "lineno", 0)
        ranges = self._lines_of_repeating if expressions else self._lines_of_loops
        index = bisect_right(ranges, (line, 1 << 30)) - 1
        return index >= 0 and line <= ranges[index][1]

    def begins_repeating(self, node: ast.AST) -> bool:
        """Whether no loop, comprehension or lambda that began on an earlier line goes on to the line of a node."""
        line = getattr(node, "lineno", 0)
        ranges = self._lines_of_repeating
        index = bisect_right(ranges, (line, 1 << 30)) - 1
        return index < 0 or ranges[index][0] == line or ranges[index][1] < line

    def loops(self, node: ast.AST) -> Iterator[LoopNode]:
        """The loops that run ``node`` again and again within its function, innermost first."""
        if not self.may_repeat(node):
            return
        child = node
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
                return
            if isinstance(ancestor, LOOPS):
                repeated = any(child is statement for statement in ancestor.body)
                if repeated or (isinstance(ancestor, ast.While) and child is ancestor.test):
                    yield ancestor
            child = ancestor

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """The list of statements in which a statement stands."""
        parent = self.parent(statement)
        if parent is not None:
            for block in suites(parent):
                if any(statement is other for other in block):
                    return block
        return [statement]

    def following(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statements after a statement in its own block."""
        block = self.block(statement)
        index = next(i for i, other in enumerate(block) if other is statement)
        return block[index + 1 :]


def _place(node: ast.AST) -> tuple[int, int] | None:
    """Where a node begins; for those without a place of their own, where something in them does."""
    if hasattr(node, "lineno"):
        return position(node)
    for child in children(node):
        place = _place(child)
        if place is not None:
            return place
    return None


def _is_inside(scope: ast.AST, child: ast.AST, below: ast.AST) -> bool:
    """Whether ``child`` (a direct child of ``scope``, reached through ``below``) is evaluated in that scope."""
    if isinstance(scope, (*FUNCTIONS, ast.ClassDef)):
        return isinstance(child, ast.stmt)  # what else they hold (decorators, defaults, bases) are expressions
    if isinstance(scope, ast.Lambda):
        return child is scope.body
    if isinstance(scope, COMPREHENSIONS):
        first = scope.generators[0]
        return not (child is first and below is first.iter)
    return True
