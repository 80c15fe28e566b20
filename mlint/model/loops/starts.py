"""What a variable that a loop goes on computing has at its start."""

from __future__ import annotations

import ast
import math
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.quiet import quiet
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_INFINITE = {"numpy.inf": math.inf, "math.inf": math.inf, "numpy.nan": math.nan, "math.nan": math.nan}


class Starts(NamedTuple):
    """The values that a variable may have where a loop begins.

    Attributes:
        numbers: those that are written as numbers: ``0``, ``-1.5``, ``-np.inf``, ``float("inf")``.
        others: the expressions of the others.
        statements: what assigns them.
        repeated: whether a loop around it brings back what this loop has computed.
    """

    numbers: tuple[int | float, ...]
    others: tuple[ast.expr, ...]
    statements: tuple[ast.stmt, ...]
    repeated: bool


def starts(model: FileModel, loop: ast.stmt, name: str, own: Collection[ast.stmt]) -> Starts | None:
    """What a variable may have where a loop begins; None where that is not known.

    Args:
        model: the file.
        loop: the loop.
        name: the variable.
        own: the statements of the loop that assign it.
    """
    numbers: list[int | float] = []
    others: list[ast.expr] = []
    statements: list[ast.stmt] = []
    repeated = False
    for binding in model.reaching.at(loop, name):
        if any(binding.node is statement for statement in own):
            repeated = True
            continue
        if binding.how != "assign" or binding.value is None:
            return None
        value: ast.expr = binding.value
        if binding.path:  # best, where = -1.0, 0
            if len(binding.path) != 1 or not isinstance(value, ast.Tuple) or not 0 <= binding.path[0] < len(value.elts):
                return None
            value = value.elts[binding.path[0]]
        written = number(model, value)
        if written is None:
            others.append(value)
        else:
            numbers.append(written)
        if isinstance(binding.node, ast.stmt):
            statements.append(binding.node)
    if not numbers and not others:
        return None
    return Starts(tuple(numbers), tuple(others), tuple(statements), repeated)


def undisturbed(model: FileModel, begin: Starts, loop: ast.stmt, value: ast.expr) -> bool:
    """Whether what a variable starts at has the same value where the loop begins: nothing in between changes it.

    Args:
        model: the file.
        begin: the one start of the variable.
        loop: the loop.
        value: the expression that it starts at.
    """
    if len(begin.statements) != 1 or begin.repeated:
        return False
    block, first = model.tree.block(loop), begin.statements[0]
    if not any(statement is first for statement in block):
        return False
    places = [number for number, statement in enumerate(block) if statement is first or statement is loop]
    between = block[places[0] + 1 : places[-1]]
    if len(places) != 2 or block[places[0]] is not first:
        return False
    names = {node.id for node in walk(value) if isinstance(node, ast.Name)}
    for statement in (first, *between):
        targets = statement.targets if isinstance(statement, ast.Assign) else ()
        if not targets or not all(_are_names(target, names) for target in targets):
            return False
        if not quiet(model, statement):
            return False
    return True


def _are_names(target: ast.expr, others: Collection[str]) -> bool:
    """Whether a target is made of variables, none of them one of the others."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(_are_names(element, others) for element in target.elts)
    return isinstance(target, ast.Name) and target.id not in others


def number(model: FileModel, node: ast.expr) -> int | float | None:
    """The Python number that an expression is written as."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) in (int, float) else None  # type: ignore[return-value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = number(model, node.operand)
        return inner if inner is None or isinstance(node.op, ast.UAdd) else -inner
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        given = node.args[0]
        if model.names.dotted(node.func) == "float" and isinstance(given, ast.Constant):
            try:
                return float(given.value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                return None
        return None
    return _INFINITE.get(model.names.dotted(node) or "")
