"""What tests on the way to a read say about it: `isinstance`, an early return, `match`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlint.model.kinds.value import UNKNOWN, Kind, join
from mlint.model.tree import FUNCTIONS

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds


def narrowed(kinds: Kinds, node: ast.Name, kind: Kind) -> Kind:
    """The kind of a name of which several kinds, or none, are known, after the tests around and before its read."""
    text = kinds.names.text
    if text is not None and f"isinstance({node.id}," not in text:
        return kind
    for test, holds in _tests(kinds, node):
        found = _tested(kinds, test, node, holds)
        if found is None:
            continue
        positive, types = found
        if positive:
            asked = join(types)
            if kind.alternatives:
                left = [one for one in kind.alternatives if any(_fits(one, wanted) for wanted in types)]
                kind = join(left) if left else asked
            else:
                kind = asked
        elif kind.alternatives and all(wanted.known for wanted in types):
            left = [one for one in kind.alternatives if not any(_fits(one, wanted) for wanted in types)]
            kind = join(left) if left else kind
    return kind


def _fits(kind: Kind, wanted: Kind) -> bool:
    if wanted.definition is not None or wanted.elsewhere is not None:
        return (kind.definition, kind.elsewhere) == (wanted.definition, wanted.elsewhere)
    return kind.is_a(wanted.name)


def _tests(kinds: Kinds, node: ast.Name) -> Iterator[tuple[ast.expr, bool]]:
    """The tests that a read is behind, innermost first, and whether they hold there."""
    tree = kinds.tree
    child: ast.AST = node
    for ancestor in tree.ancestors(node):
        if isinstance(ancestor, ast.IfExp):
            if child is not ancestor.test:
                yield ancestor.test, child is ancestor.body
        elif isinstance(ancestor, ast.BoolOp):
            for value in ancestor.values:
                if value is child:
                    break
                yield value, isinstance(ancestor.op, ast.And)
        elif isinstance(ancestor, (ast.If, ast.While)) and isinstance(child, ast.stmt):
            if any(child is statement for statement in ancestor.body):
                yield ancestor.test, True
            elif isinstance(ancestor, ast.If):
                yield ancestor.test, False
        if isinstance(child, ast.stmt):
            yield from _before(tree.block(child), child)
        if isinstance(ancestor, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            return
        child = ancestor


def _before(block: list[ast.stmt], child: ast.stmt) -> Iterator[tuple[ast.expr, bool]]:
    """Tests of the same block before a statement: `assert`, and an `if` that leaves."""
    for statement in block:
        if statement is child:
            return
        if isinstance(statement, ast.Assert):
            yield statement.test, True
        elif isinstance(statement, ast.If) and not statement.orelse:
            if isinstance(statement.body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break)):
                yield statement.test, False


def _tested(kinds: Kinds, test: ast.expr, node: ast.Name, holds: bool) -> tuple[bool, list[Kind]] | None:
    """Whether a test that holds, or does not, means that a name is, or is not, of some types."""
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, holds = test.operand, not holds
    if isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) is holds:  # every part of it holds, or none does
            for value in test.values:
                found = _tested(kinds, value, node, holds)
                if found is not None:
                    return found
        return None
    if not (isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and len(test.args) == 2):
        return None
    tested, types = test.args
    if not isinstance(tested, ast.Name) or tested.id != node.id or kinds.names.dotted(test.func) != "isinstance":
        return None
    if kinds.reaching.of(tested) != kinds.reaching.of(node):
        return None  # bound anew in between
    named = types.elts if isinstance(types, ast.Tuple) else [types]
    return holds, [kinds.annotation(part) for part in named]


def matched(kinds: Kinds, pattern: ast.AST) -> Kind:
    """The kind of what a pattern captures."""
    if not isinstance(pattern, ast.MatchAs):
        return UNKNOWN
    if pattern.pattern is not None:
        return _pattern(kinds, pattern.pattern)
    owner = kinds.tree.parent(pattern)
    if isinstance(owner, ast.match_case):
        statement = kinds.tree.parent(owner)
        return kinds.of(statement.subject) if isinstance(statement, ast.Match) else UNKNOWN
    return UNKNOWN


def _pattern(kinds: Kinds, pattern: ast.pattern) -> Kind:
    if isinstance(pattern, ast.MatchClass):
        return kinds.annotation(pattern.cls)
    if isinstance(pattern, ast.MatchOr):
        return join([_pattern(kinds, part) for part in pattern.patterns])
    return UNKNOWN
