"""Sums of products of two arrays' elements: ``s += a[i] * b[i]``, ``sum(x * y for x, y in zip(a, b))``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.loops import dtypes
from mlint.model.loops.contraction import ORDER
from mlint.model.loops.counted import Axis, Nest
from mlint.model.loops.described import Lifted, NotElementwise, Place
from mlint.model.loops.starts import Starts, starts
from mlint.model.loops.temporaries import spliced

if TYPE_CHECKING:
    from mlint.model.loops.elementwise import Elementwise

_WIDTHS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63, "uint8": 8}


class Dot(NamedTuple):
    """A dot product.

    Attributes:
        left: the first array.
        right: the second one.
        text: the product, as an expression.
        doubts: why it may be another number.
        obstacles: why there can be no rewrite.
    """

    left: Lifted
    right: Lifted
    text: str
    doubts: list[str]
    obstacles: list[str]


class DotTotal(NamedTuple):
    """A loop that adds a dot product up.

    Attributes:
        nest: the loop.
        name: the total.
        op: `+` or `-`.
        dot: what is added.
    """

    nest: Nest
    name: str
    op: str
    dot: Dot


def dot_total(elementwise: Elementwise, loop: ast.For) -> DotTotal | None:
    """The dot product that a loop adds up; None if it does something else."""
    updated = _updated(loop.body[0]) if len(loop.body) == 1 else None
    if updated is None:
        return None
    name, op, product = updated
    found = elementwise.single(loop)
    if found is None or name in found[0].names:
        return None
    nest, statement = found
    begin = starts(elementwise.model, loop, name, [statement])
    if begin is None or any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(product)):
        return None
    try:
        dot = dot_product(elementwise, product, nest.axes[0])
        _check_start(begin, dot)
    except NotElementwise:
        return None
    return DotTotal(nest, name, op, dot)


def dot_product(elementwise: Elementwise, product: ast.BinOp, axis: Axis) -> Dot:
    """The sum that a loop makes of a product.

    Raises:
        NotElementwise: it is no product of the elements of two vectors.
    """
    if axis.uneven:
        raise NotElementwise("the arrays may have different lengths")
    factors = [elementwise.lift(side, (axis,)) for side in (product.left, product.right)]
    for lifted in factors:
        if lifted.wholes or any(rest not in (0, None) for rest in lifted.rests):
            raise NotElementwise("a factor is a row")
        if not any(isinstance(part, Place) for operand in lifted.operands for part in operand.pattern):
            raise NotElementwise("a factor is no element of an array")
    left, right = factors
    if left.dtype == right.dtype == "bool":
        raise NotElementwise("a product of truth values is no number")
    doubts = [*left.doubts, *right.doubts]
    if not (left.scalar and right.scalar):
        doubts.append("the number of dimensions is not proven")
    if left.dtype in dtypes.FLOATS or right.dtype in dtypes.FLOATS:
        doubts.append(ORDER)
    elif left.dtype != right.dtype or left.dtype not in (
        dtypes.INTEGERS if elementwise.scalars_as_arrays else ("int64",)
    ):
        doubts.append("the dtypes are not proven")
    if not elementwise.runs((axis,)):
        doubts.append("the total of nothing is a number of Python")
    texts = [spliced(elementwise.model.source, lifted.node, lifted.replacements) for lifted in factors]
    obstacles = [*left.obstacles, *right.obstacles, *left.unproven, *right.unproven]
    return Dot(left, right, " @ ".join(texts), doubts, obstacles)


def _check_start(begin: Starts, dot: Dot) -> None:
    """Whether a total starts at a number of Python that takes the dtype of what is added."""
    if begin.others:
        raise NotElementwise("what the total starts at is not proven to be a number")
    limit = 1 << _WIDTHS.get(dot.left.dtype or "", 0)
    if any(type(number) is not int or not 0 <= number < limit for number in begin.numbers):
        dot.doubts.append("the total starts at a number of another dtype")


def _updated(statement: ast.stmt) -> tuple[str, str, ast.BinOp] | None:
    """``s += x * y``, ``s = s + x * y``: the total, the sign, and the product of two different factors."""
    added: ast.expr
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        name, op, added = statement.target.id, statement.op, statement.value
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
        if not isinstance(target, ast.Name) or not isinstance(value, ast.BinOp):
            return None
        name, op, added = target.id, value.op, value.right
        if not (isinstance(value.left, ast.Name) and value.left.id == name):
            added = value.left
            if not (isinstance(value.right, ast.Name) and value.right.id == name and isinstance(op, ast.Add)):
                return None
    else:
        return None
    if not isinstance(op, (ast.Add, ast.Sub)) or not is_product(added):
        return None
    assert isinstance(added, ast.BinOp)
    return name, "+" if isinstance(op, ast.Add) else "-", added


def is_product(node: ast.expr) -> bool:
    """Whether an expression is a product of two factors that are not the same."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and ast.dump(node.left) != ast.dump(node.right)
