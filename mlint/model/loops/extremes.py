"""Rounds that keep the largest or the smallest value so far, or its place.

``if x > best: best = x``; ``best = max(best, x)``; ``if x > best: best, at = x, i``; ``if a[i] > a[at]: at = i``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mlint.model.names import Names

_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}


class Extreme(NamedTuple):
    """One round.

    Attributes:
        name: the variable that is kept.
        value: what it is compared with and becomes.
        largest: whether the largest is kept.
        loose: whether a value that is equal takes the place of what is kept.
        sticks: whether what is kept gives way to NaN.
        statement: what assigns it.
        others: what else is done when it changes.
        mentions: other places that mention the value.
    """

    name: str
    value: ast.expr
    largest: bool
    loose: bool
    sticks: bool
    statement: ast.Assign
    others: tuple[ast.stmt, ...] = ()
    mentions: tuple[ast.expr, ...] = ()


def extreme(names: Names, statement: ast.stmt) -> Extreme | None:
    """The value that a statement keeps the largest or the smallest of; None if it does something else."""
    if isinstance(statement, ast.If):
        return None if statement.orelse else _branch(statement)
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target, value = statement.targets[0], statement.value
    if not isinstance(target, ast.Name):
        return None
    if isinstance(value, ast.IfExp):
        return _conditional(statement, target.id, value)
    if isinstance(value, ast.Call) and len(value.args) == 2 and not value.keywords:
        dotted = names.dotted(value.func)
        if dotted not in ("max", "min"):
            return None
        first, second = value.args
        if _is_name(first, target.id):
            return Extreme(target.id, second, dotted == "max", False, False, statement)
        if _is_name(second, target.id):  # what stands first wins a tie, and whatever is compared with NaN
            return Extreme(target.id, first, dotted == "max", True, True, statement)
    return None


def _branch(statement: ast.If) -> Extreme | None:
    """``if x > best: best = x``, with more statements in the branch or without."""
    for assigned in statement.body:
        if isinstance(assigned, ast.Assign) and len(assigned.targets) == 1:
            target = assigned.targets[0]
            compared = _compared(statement.test, target.id) if isinstance(target, ast.Name) else None
            if compared is None or not isinstance(target, ast.Name):
                continue
            value, largest, loose = compared
            if ast.dump(value) == ast.dump(assigned.value):
                others = tuple(other for other in statement.body if other is not assigned)
                return Extreme(target.id, value, largest, loose, False, assigned, others, (assigned.value,))
    return None


def _conditional(statement: ast.Assign, name: str, value: ast.IfExp) -> Extreme | None:
    """``best = x if x > best else best``."""
    compared = _compared(value.test, name)
    if compared is None or not _is_name(value.orelse, name) or ast.dump(compared[0]) != ast.dump(value.body):
        return None
    return Extreme(name, *compared, False, statement, (), (value.body,))


def _compared(test: ast.expr, name: str) -> tuple[ast.expr, bool, bool] | None:
    """What a test compares a variable with, whether it asks for more, and whether equality is enough."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    op, left, right = type(test.ops[0]), test.left, test.comparators[0]
    if op not in _TURNED:
        return None
    if _is_name(left, name):
        left, right, op = right, left, _TURNED[op]
    if not _is_name(right, name):
        return None
    return left, op in (ast.Gt, ast.GtE), op in (ast.LtE, ast.GtE)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


class Placed(NamedTuple):
    """A round that keeps where the largest or smallest value stands.

    Attributes:
        place: the variable that holds the place.
        counter: the variable that it is taken from.
        value: what is compared.
        largest: whether the place of the largest is kept.
        loose: whether a value that is equal takes the place of what is kept.
        name: the variable that holds the value; None where the round looks it up at the place: ``a[i] > a[at]``.
        statements: what assigns them.
    """

    place: str
    counter: str
    value: ast.expr
    largest: bool
    loose: bool
    name: str | None
    statements: tuple[ast.Assign, ...]


def placed(statement: ast.stmt) -> Placed | None:
    """The value whose place a statement keeps; None if it does something else, or anything besides."""
    if not isinstance(statement, ast.If) or statement.orelse or not isinstance(statement.test, ast.Compare):
        return None
    assigned: list[tuple[str, ast.expr]] = []
    for part in statement.body:
        if not isinstance(part, ast.Assign) or len(part.targets) != 1:
            return None
        target, value = part.targets[0], part.value
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            pairs = list(zip(target.elts, value.elts))
        for one, new in pairs:
            if not isinstance(one, ast.Name):
                return None
            assigned.append((one.id, new))
    statements = tuple(part for part in statement.body if isinstance(part, ast.Assign))
    if len(assigned) == 1:
        return _looked_up(statement.test, *assigned[0], statements)
    if len(assigned) != 2 or assigned[0][0] == assigned[1][0]:
        return None
    for (name, value), (place, counter) in (assigned, assigned[::-1]):
        compared = _compared(statement.test, name)
        if compared is not None and isinstance(counter, ast.Name) and ast.dump(compared[0]) == ast.dump(value):
            if not any(isinstance(n, ast.Name) and n.id in (name, place) for n in ast.walk(value)):
                return Placed(place, counter.id, *compared, name, statements)
    return None


def _looked_up(test: ast.Compare, place: str, counter: ast.expr, statements: tuple[ast.Assign, ...]) -> Placed | None:
    """``if a[i] > a[at]: at = i``."""
    if len(test.ops) != 1 or not isinstance(counter, ast.Name) or type(test.ops[0]) not in _TURNED:
        return None
    op, left, right = type(test.ops[0]), test.left, test.comparators[0]
    if any(isinstance(node, ast.Name) and node.id == place for node in ast.walk(left)):
        left, right, op = right, left, _TURNED[op]
    if any(isinstance(node, ast.Name) and node.id == place for node in ast.walk(left)):
        return None
    here = ast.dump(left)
    if f"Name(id={counter.id!r}, " not in here:
        return None
    if here.replace(f"Name(id={counter.id!r}, ", f"Name(id={place!r}, ") != ast.dump(right):
        return None
    return Placed(place, counter.id, left, op in (ast.Gt, ast.GtE), op in (ast.LtE, ast.GtE), None, statements)
