"""What a variable that a loop goes on computing has at its start."""

from __future__ import annotations

import ast
import math
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

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
