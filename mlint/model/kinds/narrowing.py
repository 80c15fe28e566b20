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
    if text is None or f"match {node.id}:" in text:
        kind = _of_cases(kinds, node, kind)
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


def is_none(kinds: Kinds, node: ast.Name) -> bool:
    """Whether tests around and before a read say that a name is None there."""
    return any(_says_none(kinds, test, node, holds) for test, holds in _tests(kinds, node))


def _says_none(kinds: Kinds, test: ast.expr, node: ast.Name, holds: bool) -> bool:
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, holds = test.operand, not holds
    if isinstance(test, ast.BoolOp):
        return isinstance(test.op, ast.And) is holds and any(
            _says_none(kinds, value, node, holds) for value in test.values
        )
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.left, ast.Name):
        return False
    (operator,), (other,) = test.ops, test.comparators
    if test.left.id != node.id or not isinstance(other, ast.Constant) or other.value is not None:
        return False
    if not isinstance(operator, ast.Is if holds else ast.IsNot):
        return False
    return kinds.reaching.of(test.left) == kinds.reaching.of(node)  # not bound anew in between


def _of_cases(kinds: Kinds, node: ast.Name, kind: Kind) -> Kind:
    """The kind of a name in a case of a `match` over it."""
    child: ast.AST = node
    for ancestor in kinds.tree.ancestors(node):
        if isinstance(ancestor, ast.match_case) and child is not ancestor.pattern:
            statement = kinds.tree.parent(ancestor)
            if isinstance(statement, ast.Match) and isinstance(statement.subject, ast.Name):
                if statement.subject.id == node.id and kinds.reaching.of(statement.subject) == kinds.reaching.of(node):
                    return _of_case(kinds, statement.cases, ancestor, kind)
        if isinstance(ancestor, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            break
        child = ancestor
    return kind


def _of_case(kinds: Kinds, cases: list[ast.match_case], case: ast.match_case, kind: Kind) -> Kind:
    for other in cases:
        if other is case:
            break
        taken = _classes(other.pattern, whole=True) if other.guard is None else []
        gone = [kinds.annotation(one) for one in taken]
        if kind.alternatives and gone and all(one.known for one in gone):
            left = [one for one in kind.alternatives if not any(_fits(one, wanted) for wanted in gone)]
            kind = join(left) if left else kind
    types = [kinds.annotation(one) for one in _classes(case.pattern, whole=False)]
    if not types:
        return kind
    left = [one for one in kind.alternatives if any(_fits(one, wanted) for wanted in types)]
    return join(left) if left else join(types)


def _classes(pattern: ast.pattern, *, whole: bool) -> list[ast.expr]:
    """The classes of which a pattern takes instances; with ``whole`` only if it takes all of them."""
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        return _classes(pattern.pattern, whole=whole)
    if isinstance(pattern, ast.MatchClass):
        return [] if whole and (pattern.patterns or pattern.kwd_patterns) else [pattern.cls]
    if isinstance(pattern, ast.MatchOr):
        parts = [_classes(part, whole=whole) for part in pattern.patterns]
        return [one for part in parts for one in part] if whole or all(parts) else []
    return []


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
