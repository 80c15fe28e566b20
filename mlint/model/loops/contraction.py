"""Sums of products over a counter that two factors share: matrix products, written as nests of loops.

``C[i, j] += A[i, k] * B[k, j]``, in any order of the loops; a total that is summed up in the innermost loop and then
stored; ``C[i, j] = sum(A[i, k] * B[k, j] for k in range(n))``. One of the factors may be a vector. A factor may be any
elementwise expression: ``(A[i, k] - mean[k]) * w[k]``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.kinds import NDARRAY
from mlint.model.loops import dtypes
from mlint.model.loops.apart import apart
from mlint.model.loops.counted import Axis, Nest
from mlint.model.loops.described import Lifted, NotElementwise, Operand, Place, Target, peeled
from mlint.model.loops.products import SumOfProducts, SumsOfProducts
from mlint.model.refusals import UNSAFE, note
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.loops.elementwise import Elementwise

ORDER = "sums in another order"
"""The doubt of every sum of floating-point numbers."""


class Factor(NamedTuple):
    """One of the two arrays of a product.

    Attributes:
        lifted: what it is lifted from.
        axes: the numbers of the loops that its dimensions stand for, in the order in which it is written.
    """

    lifted: Lifted
    axes: tuple[int, ...]


class Contraction(NamedTuple):
    """A matrix product.

    Attributes:
        nest: the loops, the summing one included where it is part of the nest; ``loop`` is the outermost statement.
        target: where the sums go.
        op: ``=``, ``+=`` or ``-=``.
        left: the first factor.
        right: the second one.
        scales: factors that are the same in all rounds.
        names: variables that go with the loops besides theirs.
        doubts: why the matrix product may give other results.
        obstacles: why there can be no rewrite.
    """

    nest: Nest
    target: Target
    op: str
    left: Factor
    right: Factor
    scales: tuple[ast.expr, ...]
    names: tuple[str, ...]
    doubts: list[str]
    obstacles: list[str]


class Contractions:
    """The matrix products of one file."""

    def __init__(self, elementwise: Elementwise) -> None:
        self.elementwise = elementwise
        self.model: FileModel = elementwise.model
        self.sums = SumsOfProducts(elementwise)
        self._found: dict[ast.For, Contraction | None] = {}

    def of(self, loop: ast.For) -> Contraction | None:
        """The matrix product that a nest of loops computes; None if it is none."""
        if loop not in self._found:
            self._found[loop] = None
            form = self.sums.of(loop)
            if form is not None:
                try:
                    self._found[loop] = self._contraction(form)
                except NotElementwise:
                    pass
        return self._found[loop]

    def around(self, loop: ast.For) -> Contraction | None:
        """The matrix product that a loop is part of: other rules have nothing to say about that loop."""
        found: Contraction | None = None
        current: ast.AST | None = loop
        while isinstance(current, ast.For):
            found = self.of(current) or found
            current = self.model.tree.parent(current)
        return found

    def _contraction(self, form: SumOfProducts) -> Contraction | None:
        axes = form.axes
        if not 2 <= len(axes) <= 3 or any(axis.uneven for axis in axes):
            return None
        doubts: list[str] = []
        target = self._target(form, doubts)
        kept = [part.axis for part in target.pattern if isinstance(part, Place)]
        if len(kept) != len(axes) - 1 or len(set(kept)) != len(kept):
            return None
        summed = next(number for number in range(len(axes)) if number not in kept)
        dependent, scales = self._factors(form)
        if len(dependent) != 2:
            return None
        first, second = (self._counters(factor, axes) for factor in dependent)
        if first & second != {summed} or first | second != set(range(len(axes))):
            return None
        left, right = dependent
        if kept[0] not in first:
            left, right = right, left
        lifting = _Lifting(self, form, target, doubts)
        one = lifting.factor(left, (kept[0], summed))
        other = lifting.factor(right, (summed, *kept[1:]))
        if len(kept) == 1 and one.lifted.replacements.get(left, "").endswith(".T"):  # x @ A reads better than A.T @ x
            one, other = other, lifting.factor(left, (summed, kept[0]))
        obstacles = [*one.lifted.obstacles, *other.lifted.obstacles]
        self._judge(form, target, one, other, scales, doubts, obstacles)
        for doubt in dict.fromkeys(doubts):
            note(UNSAFE, doubt)
        return Contraction(
            form.nest, target, form.op, one, other, tuple(scales), form.names, list(dict.fromkeys(doubts)), obstacles
        )

    def _target(self, form: SumOfProducts, doubts: list[str]) -> Target:
        root, indices = peeled(form.place)
        if self._counters(root, form.axes):
            raise NotElementwise("it stores to no element of an array")
        kind = self.model.kinds.of(root)
        if not kind.is_a(NDARRAY) or kind.dtype == "object":
            raise NotElementwise("what it stores to is not proven to be an array")
        pattern = tuple(self.elementwise.position(index, form.axes) for index in indices)
        ndim = self.model.lengths.dimensions(root)
        rest = None if ndim is None else ndim - len(pattern)
        if rest:
            raise NotElementwise("a round stores to a row")
        if rest is None:
            doubts.append("the number of dimensions is not proven")
        slices = self.elementwise.slices(root, pattern, form.axes, doubts)
        key = self.model.lengths.identity(root)
        text = self.model.source.segment(root)
        if any(part != ":" for part in slices):
            while slices[-1] == ":":
                slices.pop()
            text += f"[{', '.join(slices)}]"
        return Target(form.place, root, key, pattern, text, kind.dtype, rest, self.elementwise.memory.fresh(root), ())

    def _factors(self, form: SumOfProducts) -> tuple[list[ast.expr], list[ast.expr]]:
        """The factors that depend on counters, and the others."""
        dependent: list[ast.expr] = []
        scales: list[ast.expr] = []
        pending = [form.product]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                pending += [node.right, node.left]
            elif form.hoisted is not None and isinstance(node, ast.Name) and node.id == form.hoisted[0]:
                pending.append(form.hoisted[1])
            elif self._counters(node, form.axes):
                dependent.append(node)
            else:
                scales.append(node)
        for scale in scales:
            plain = isinstance(scale, (ast.Constant, ast.Name, ast.Attribute))
            if not plain or not self.model.lengths.is_scalar(scale):
                raise NotElementwise(f"`{ast.unparse(scale)}` is not proven to be a number")
        return dependent, scales

    def _counters(self, node: ast.AST, axes: tuple[Axis, ...]) -> set[int]:
        """The loops whose counters an expression mentions."""
        names = {part.id for part in walk(node) if isinstance(part, ast.Name)}
        return {number for number, axis in enumerate(axes) if axis.names & names}

    def _judge(
        self,
        form: SumOfProducts,
        target: Target,
        left: Factor,
        right: Factor,
        scales: list[ast.expr],
        doubts: list[str],
        obstacles: list[str],
    ) -> None:
        """Whether the sums are the same numbers of the same dtype."""
        first, second = left.lifted.dtype, right.lifted.dtype
        product = dtypes.combined(first, second, ast.Mult())
        for scale in scales:
            product = dtypes.combined(product, self.elementwise.scalars.dtype(scale), ast.Mult())
            doubts.append("a number is multiplied by the sum, and not by each of its terms")
        if product is None or not (self.elementwise.scalars_as_arrays or {first, second} <= {"float64", "int64"}):
            doubts.append("the dtypes are not proven")
        floats = (*dtypes.FLOATS, "complex128", None)
        if product in dtypes.FLOATS and target.dtype not in floats:
            # Rounds that truncate, or an update in place that NumPy does not make.
            obstacles.append("an array of integers takes sums of another kind")
        if product == "bool" and not (target.dtype == "bool" and form.start is None):
            obstacles.append("a product of truth values is a truth value, and no number")
        if form.op == "-=" and target.dtype == "bool":
            obstacles.append("NumPy subtracts no truth values")
        if product not in (*dtypes.INTEGERS, "bool"):
            doubts.append(ORDER)
        elif target.dtype != product:
            doubts.append("the dtypes are not proven")
        if isinstance(form.start, float):
            doubts.append("the total is a float, whatever the arrays are")


class _Lifting:
    """Lifts the factors of one product."""

    def __init__(self, owner: Contractions, form: SumOfProducts, target: Target, doubts: list[str]) -> None:
        self.elementwise = owner.elementwise
        self.model = owner.model
        self.form = form
        self.target = target
        self.doubts = doubts

    def factor(self, node: ast.expr, order: tuple[int, ...]) -> Factor:
        """A factor whose dimensions stand for the loops in ``order``; as it lies where it would be transposed twice."""
        axes = tuple(self.form.axes[number] for number in order)
        lifted = self._element(node, axes) if isinstance(node, ast.Subscript) else None
        if lifted is None:
            lifted = self.elementwise.lift(node, axes)
            places = {part.axis for o in lifted.operands for part in o.pattern if isinstance(part, Place)}
            if places | lifted.counters != set(range(len(axes))) or lifted.wholes or not lifted.scalar:
                raise NotElementwise("a factor is not proven to be a matrix or a vector")
            if not places:
                raise NotElementwise("a factor is no array")
        self.doubts += lifted.doubts
        for operand in lifted.operands:
            self.doubts += apart(self.elementwise, operand.array, self.target.array)
        return Factor(lifted, order)

    def _element(self, node: ast.Subscript, axes: tuple[Axis, ...]) -> Lifted | None:
        """An element itself: the place stored to may prove its dimensions where the array does not."""
        root, indices = peeled(node)
        ndim = self.model.lengths.dimensions(root)
        if ndim is not None or self.target.rest != 0:
            return None
        kind = self.model.kinds.of(root)
        if not kind.is_a(NDARRAY) or kind.dtype == "object":
            return None
        pattern = tuple(self.elementwise.position(index, axes) for index in indices)
        places = [part.axis for part in pattern if isinstance(part, Place)]
        if sorted(places) != list(range(len(axes))) or len(places) != len(pattern):
            return None
        lifted = Lifted(node)
        slices = self.elementwise.slices(root, pattern, axes, lifted.doubts)
        text = self.model.source.segment(root)
        if any(part != ":" for part in slices):
            while len(slices) > 1 and slices[-1] == ":":
                slices.pop()
            text += f"[{', '.join(slices)}]"
        lifted.replacements[node] = text if places == sorted(places) else f"{text}.T"
        lifted.operands.append(Operand(root, self.model.lengths.identity(root), pattern))
        lifted.rests.append(0)
        lifted.dtype = kind.dtype
        lifted.doubts.append("the number of dimensions is not proven")
        return lifted
