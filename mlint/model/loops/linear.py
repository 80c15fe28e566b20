"""Whole numbers as sums of what cannot be taken apart: ``len(a) - k + 1`` is the length of ``a``, less ``k``, plus 1.

Two expressions with the same sum are the same number, and the difference of two may be a constant although neither is
one: that is how the last window of ``range(len(a) - k + 1)`` is known to end where the array does.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.loops.lengths import Base, Length

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_DEPTH = 8


class Sum(NamedTuple):
    """A number.

    Attributes:
        terms: what is added, with how many times; nothing twice, and nothing zero times.
        constant: what is added to that.
    """

    terms: frozenset[tuple[Base, int]] = frozenset()
    constant: int = 0

    def plus(self, other: Sum, times: int = 1) -> Sum:
        """The sum with a multiple of another one added."""
        terms = dict(self.terms)
        for base, count in other.terms:
            terms[base] = terms.get(base, 0) + times * count
        return Sum(frozenset((b, c) for b, c in terms.items() if c), self.constant + times * other.constant)

    def less(self, other: Sum) -> int | None:
        """What is left when another sum is taken away, if that is a plain number."""
        left = self.plus(other, -1)
        return None if left.terms else left.constant

    @property
    def number(self) -> int | None:
        """The number itself, if nothing in it is unknown."""
        return None if self.terms else self.constant


class Linear:
    """The whole numbers of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def of(self, node: ast.expr | None, depth: int = 0) -> Sum | None:
        """The sum that an expression is; None where it is not made of known parts."""
        if node is None or depth > _DEPTH:
            return None
        if isinstance(node, ast.BinOp):
            first, second = self.of(node.left, depth + 1), self.of(node.right, depth + 1)
            if first is None or second is None:
                return None
            if isinstance(node.op, (ast.Add, ast.Sub)):
                return first.plus(second, 1 if isinstance(node.op, ast.Add) else -1)
            if isinstance(node.op, ast.Mult):
                number, other = (first.number, second) if first.number is not None else (second.number, first)
                return None if number is None else Sum().plus(other, number)
            return None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            operand = self.of(node.operand, depth + 1)
            return None if operand is None else Sum().plus(operand, -1)
        if isinstance(node, ast.Name):
            binding = self.model.lengths.binding(node)
            if binding is not None and binding.how == "assign" and not binding.path:
                if isinstance(binding.value, (ast.BinOp, ast.UnaryOp)):
                    return self.of(binding.value, depth + 1)
        return self._of_length(self.model.lengths.of(node))

    def axis(self, array: ast.expr) -> Sum | None:
        """The length of the first dimension of an array, as far as its making shows it."""
        if isinstance(array, ast.Name):
            binding = self.model.lengths.binding(array)
            value = binding.value if binding is not None and binding.how == "assign" and not binding.path else None
            if isinstance(value, ast.Call) and value.args:
                dotted = self.model.names.dotted(value.func) or ""
                if dotted in ("numpy.zeros", "numpy.ones", "numpy.empty", "numpy.full"):
                    shape = value.args[0]
                    first = shape.elts[0] if isinstance(shape, (ast.Tuple, ast.List)) and shape.elts else shape
                    if not isinstance(first, ast.Attribute):
                        made = self.of(first)
                        if made is not None:
                            return made
        return self._of_length(self.model.lengths.axis(array, 0))

    def _of_length(self, length: Length | None) -> Sum | None:
        if length is None:
            return None
        terms = frozenset[tuple[Base, int]]() if length.base is None else frozenset({(length.base, 1)})
        return Sum(terms, length.offset)
