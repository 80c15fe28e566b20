"""What the lifting of a loop gives: array expressions, the elements that they read and the places they store to."""

from __future__ import annotations

import ast
from typing import NamedTuple

from mlint.model.loops.lengths import Base
from mlint.model.refusals import REFUSED, note

EITHER_ZERO = "the larger one of 0.0 and -0.0 may be another"
"""Why an extreme of whole arrays may differ in the sign of a zero."""


class NotElementwise(Exception):  # noqa: N818
    """One round depends on other rounds, or on what nothing is known of.

    Attributes:
        reason: why, one line, for people.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        note(REFUSED, reason)


class Place(NamedTuple):
    """A dimension of a subscript that a loop's counter runs through: ``i + offset``."""

    axis: int
    offset: int = 0


class Operand(NamedTuple):
    """An element of an array that a round reads.

    Attributes:
        array: the array.
        key: what the array is, for comparison; None where two mentions may be two arrays.
        pattern: a `Place` for a dimension that a counter runs through, the index for another one.
        gathered: whether the index is itself an element of an array: ``a[order[i]]``.
    """

    array: ast.expr
    key: Base | None
    pattern: tuple[Place | str, ...]
    gathered: bool = False


class Lifted:
    """The array expression of one round.

    Attributes:
        node: the expression of the round.
        replacements: what to put in place of which part of it.
        operands: the elements that it reads.
        counters: the loops whose counter is used as a number.
        dtype: what is known of the result (see `mlint.model.loops.dtypes`).
        obstacles: why it cannot be rewritten although it is elementwise.
        doubts: why the rewrite may change results.
        rests: for each array, how many dimensions a round's element of it has; None where that is not known.
        operations: how many operators and functions are applied to elements.
        wholes: whole arrays that each round takes as operands.
        unproven: what is the same in all rounds and not proven to be a number.
    """

    def __init__(self, node: ast.expr) -> None:
        self.node = node
        self.replacements: dict[ast.AST, str] = {}
        self.operands: list[Operand] = []
        self.counters: set[int] = set()
        self.dtype: str | None = None
        self.obstacles: list[str] = []
        self.doubts: list[str] = []
        self.rests: list[int | None] = []
        self.operations: int = 0
        self.wholes: list[str] = []
        self.unproven: list[str] = []

    @property
    def scalar(self) -> bool:
        """Whether each round's result is certainly one number and not a row."""
        return all(rest == 0 for rest in self.rests)


class Target(NamedTuple):
    """Where a round stores.

    Attributes:
        node: the subscript.
        array: the array.
        key: what the array is, for comparison.
        pattern: see `Operand`.
        text: the slices that all rounds together store to.
        dtype: the array's dtype, where known.
        rest: how many dimensions one round fills; None where that is not known.
        fresh: whether nothing else can share its memory.
        doubts: why the rewrite may change results.
    """

    node: ast.Subscript
    array: ast.expr
    key: Base | None
    pattern: tuple[Place | str, ...]
    text: str
    dtype: str | None
    rest: int | None
    fresh: bool
    doubts: tuple[str, ...]


class Scattered(NamedTuple):
    """Where a loop stores by indices that are elements of arrays.

    Attributes:
        target: the array.
        parts: for each dimension the text of the index, or what it is lifted from.
        indices: the indices that are elements of arrays.
        counted: whether another index is the counter, so that no two rounds store to one place.
    """

    target: Target
    parts: tuple[str | Lifted, ...]
    indices: tuple[Lifted, ...]
    counted: bool


def same_or_apart(first: tuple[Place | str, ...], second: tuple[Place | str, ...]) -> bool:
    """Whether a round that stores to one element and reads another never meets what other rounds stored."""
    if first == second:
        return True
    return any(
        isinstance(one, str) and isinstance(other, str) and one.isdigit() and other.isdigit() and int(one) != int(other)
        for one, other in zip(first, second)
    )


def peeled(node: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
    """``a[i][j, 0]`` is (a, [i, j, 0]); subscripts with slices stay part of the array."""
    indices: list[ast.expr] = []
    while isinstance(node, ast.Subscript):
        parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        if any(isinstance(part, (ast.Slice, ast.Starred)) for part in parts):
            break
        if any(isinstance(part, ast.Constant) and type(part.value) is not int for part in parts):
            break
        indices = parts + indices
        node = node.value
    return node, indices
