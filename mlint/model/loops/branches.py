"""Rounds that store under conditions: which condition leads to which stores.

``if``, ``elif`` and ``else``; ``out[i] = x if c else y``; ``if c: continue`` in front of a store; a store that a later
one overrides under a condition.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

_MOST = 3
"""More conditions than this are left alone: a chain of masks is no easier to read than the loop."""


class Store(NamedTuple):
    """One store.

    Attributes:
        place: the subscript that is stored to.
        value: what is stored.
        op: the operator of an augmented assignment.
    """

    place: ast.Subscript
    value: ast.expr
    op: ast.operator | None


class Branch(NamedTuple):
    """What is stored where one condition holds and those before it do not.

    Attributes:
        test: the condition; None for `else`.
        stores: the stores.
    """

    test: ast.expr | None
    stores: tuple[Store, ...]


class Branches(NamedTuple):
    """A round.

    Attributes:
        before: stores that every round makes first.
        branches: those of which a round takes one.
        inverted: whether the one condition is that under which nothing is stored.
    """

    before: tuple[Store, ...]
    branches: tuple[Branch, ...]
    inverted: bool = False


def branches(body: list[ast.stmt]) -> Branches | None:
    """The stores of a round by their conditions; None if it does anything else, or has no condition."""
    first, last = body[0], body[-1]
    if len(body) > 1 and isinstance(first, ast.If) and not first.orelse:
        stores = _stores(body[1:])
        leaves = len(first.body) == 1 and isinstance(first.body[0], ast.Continue)
        return Branches((), (Branch(first.test, stores),), inverted=True) if leaves and stores else None
    before = _stores(body[:-1])
    if before is None:
        return None
    found: list[Branch] | None = None
    if isinstance(last, ast.If):
        found = _chain(last)
    elif isinstance(last, ast.Assign) and len(last.targets) == 1 and isinstance(last.value, ast.IfExp):
        if isinstance(last.targets[0], ast.Subscript):
            found = _conditional(last.targets[0], last.value)
    if found is None or sum(branch.test is not None for branch in found) > _MOST:
        return None
    return Branches(before, tuple(found)) if any(branch.stores for branch in found) else None


def _chain(statement: ast.If) -> list[Branch] | None:
    found: list[Branch] = []
    while True:
        stores = _stores(statement.body)
        if stores is None:
            return None
        found.append(Branch(statement.test, stores))
        rest = statement.orelse
        if len(rest) == 1 and isinstance(rest[0], ast.If):
            statement = rest[0]
            continue
        if rest:
            stores = _stores(rest)
            if stores is None:
                return None
            found.append(Branch(None, stores))
        return found


def _conditional(place: ast.Subscript, value: ast.expr) -> list[Branch]:
    found: list[Branch] = []
    while isinstance(value, ast.IfExp):
        found.append(Branch(value.test, (Store(place, value.body, None),)))
        value = value.orelse
    return [*found, Branch(None, (Store(place, value, None),))]


def _stores(statements: list[ast.stmt]) -> tuple[Store, ...] | None:
    """Statements as stores to elements; None if one is something else."""
    found: list[Store] = []
    for statement in statements:
        if isinstance(statement, ast.Pass):
            continue
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            place, op = statement.targets[0], None
        elif isinstance(statement, ast.AugAssign):
            place, op = statement.target, statement.op
        else:
            return None
        if not isinstance(place, ast.Subscript) or isinstance(statement.value, ast.IfExp):
            return None
        found.append(Store(place, statement.value, op))
    return tuple(found)
