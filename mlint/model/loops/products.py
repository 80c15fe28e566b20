"""Nests of loops that sum up products, taken apart: where the sums go, and what is summed up over which loops."""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.loops.counted import Axis, Nest
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.loops.elementwise import Elementwise


class SumOfProducts(NamedTuple):
    """A nest as its parts.

    Attributes:
        nest: the loops around the statements.
        axes: those, and the one among the statements.
        place: where the sums go.
        op: how.
        product: what is summed up.
        names: the variables that go with it besides those of the nest.
        start: what a total of its own starts at; None where the sums go to the place itself.
        hoisted: a factor that has a name, and its value.
    """

    nest: Nest
    axes: tuple[Axis, ...]
    place: ast.Subscript
    op: str
    product: ast.expr
    names: tuple[str, ...]
    start: int | float | None = None
    hoisted: tuple[str, ast.expr] | None = None


class SumsOfProducts:
    """The nests of one file that sum up products."""

    def __init__(self, elementwise: Elementwise) -> None:
        self.elementwise = elementwise
        self.model: FileModel = elementwise.model

    def of(self, loop: ast.For) -> SumOfProducts | None:
        """The parts of a nest; None if it does something else."""
        if not _multiplies(loop):
            return None
        nest = self.elementwise.nest(loop)
        if nest is None:
            return None
        body = nest.body
        if len(body) == 1:
            return self._single(nest, body[0])
        first, inner = _assigned(body[0]), body[1]
        if first is None or not isinstance(inner, ast.For) or len(inner.body) != 1:
            return None
        axis = self._inner_axis(inner.target, inner.iter, nest)
        updated = _updated(inner.body[0])
        if axis is None or updated is None or inner.orelse or inner.type_comment:
            return None
        place, value = first
        axes = (*nest.axes, axis)
        if len(body) == 3:
            return self._total_stored(nest, axes, first, updated, _updated(body[2]))
        if isinstance(place, ast.Name):
            return self._hoisted(nest, axes, place.id, value, updated)
        if isinstance(updated[0], ast.Subscript) and _is_zero(value) and updated[1] == "+=":
            if ast.unparse(place) == ast.unparse(updated[0]):  # C[i, j] = 0 in front of the loop that adds to it
                return SumOfProducts(nest, axes, updated[0], "=", updated[2], tuple(axis.names))
        return None

    def _single(self, nest: Nest, statement: ast.stmt) -> SumOfProducts | None:
        updated = _updated(statement)
        if updated is None or not isinstance(updated[0], ast.Subscript):
            return None
        place, op, value = updated
        assert isinstance(place, ast.Subscript)
        if op != "=":
            return SumOfProducts(nest, nest.axes, place, op, value, ())
        summed = self._summed(value, nest)
        if summed is None:
            return None
        axis, product = summed
        return SumOfProducts(nest, (*nest.axes, axis), place, "=", product, (), 0)

    def _summed(self, value: ast.expr, nest: Nest) -> tuple[Axis, ast.expr] | None:
        """``sum(E for k in range(n))``: the loop and E."""
        if not isinstance(value, ast.Call) or len(value.args) != 1 or value.keywords:
            return None
        inner = value.args[0]
        if not isinstance(inner, (ast.GeneratorExp, ast.ListComp)) or len(inner.generators) != 1:
            return None
        dotted = self.model.names.dotted(value.func)
        if dotted != "sum" and not (dotted == "numpy.sum" and isinstance(inner, ast.ListComp)):
            return None
        clause = inner.generators[0]
        if clause.ifs or clause.is_async:
            return None
        axis = self._inner_axis(clause.target, clause.iter, nest)
        return None if axis is None else (axis, inner.elt)

    def _inner_axis(self, target: ast.expr, iterated: ast.expr, nest: Nest) -> Axis | None:
        """The loop in the body of a nest, if it makes the same rounds whatever the counters of the nest are."""
        if _mentions(iterated, nest.names):
            return None
        axis = self.model.counted.axis(target, iterated)
        return None if axis is None or axis.names & nest.names else axis

    def _total_stored(
        self,
        nest: Nest,
        axes: tuple[Axis, ...],
        first: tuple[ast.expr, ast.expr],
        added: tuple[ast.expr, str, ast.expr],
        stored: tuple[ast.expr, str, ast.expr] | None,
    ) -> SumOfProducts | None:
        """``s = 0``, the loop that adds to it, ``C[i, j] = s``."""
        total, start = first
        if not isinstance(total, ast.Name) or not _is_zero(start) or added[1] != "+=" or stored is None:
            return None
        if not all(isinstance(node, ast.Name) and node.id == total.id for node in (added[0], stored[2])):
            return None
        inner = axes[-1].names
        if total.id in nest.names | inner or _mentions(added[2], {total.id}):
            return None
        if not isinstance(stored[0], ast.Subscript) or _mentions(stored[0], {total.id, *inner}):
            return None
        assert isinstance(start, ast.Constant)
        names = (total.id, *inner)
        return SumOfProducts(nest, axes, stored[0], stored[1], added[2], names, start.value)  # type: ignore[arg-type]

    def _hoisted(
        self,
        nest: Nest,
        axes: tuple[Axis, ...],
        name: str,
        value: ast.expr,
        updated: tuple[ast.expr, str, ast.expr],
    ) -> SumOfProducts | None:
        """``a = A[i, k]`` in front of the loop that multiplies by ``a``."""
        inner = axes[-1].names
        place, op, product = updated
        if name in nest.names | inner or _mentions(value, {name, *inner}) or _mentions(place, {name}) or op == "=":
            return None
        if not isinstance(place, ast.Subscript):
            return None
        return SumOfProducts(nest, axes, place, op, product, (name, *inner), None, (name, value))


def _multiplies(loop: ast.For) -> bool:
    """Whether a nest may sum up products into a place: a look at the syntax."""
    body: list[ast.stmt] = [loop]
    while len(body) == 1 and isinstance(body[0], ast.For):
        body = body[0].body
    if len(body) == 1:
        updated = _updated(body[0])
        if updated is None or not isinstance(updated[0], ast.Subscript):
            return False
        return isinstance(updated[2], ast.Call) if updated[1] == "=" else _is_product(updated[2])
    if len(body) not in (2, 3) or not isinstance(body[1], ast.For) or len(body[1].body) != 1:
        return False
    inner = getattr(body[1].body[0], "value", None)
    return _assigned(body[0]) is not None and isinstance(inner, ast.BinOp)


def _is_product(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _assigned(statement: ast.stmt) -> tuple[ast.expr, ast.expr] | None:
    """``place = value``."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0], statement.value
    return None


def _updated(statement: ast.stmt) -> tuple[ast.expr, str, ast.expr] | None:
    """``C[i] += E``, ``C[i] = C[i] + E``, ``C[i] = E``: the place, the operator and E."""
    if isinstance(statement, ast.AugAssign):
        op = _OPERATORS.get(type(statement.op))
        return None if op is None else (statement.target, op, statement.value)
    assigned = _assigned(statement)
    if assigned is None:
        return None
    place, value = assigned
    if isinstance(value, ast.BinOp) and type(value.op) in _OPERATORS:
        old = ast.unparse(place)
        if ast.unparse(value.left) == old:
            return place, _OPERATORS[type(value.op)], value.right
        if isinstance(value.op, ast.Add) and ast.unparse(value.right) == old:
            return place, "+=", value.left
    return place, "=", value


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 0


def _mentions(node: ast.AST, names: Collection[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in walk(node))


_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+=", ast.Sub: "-="}
