"""Tables that hold one operation of every element of one vector with every element of another.

``out[i, j] = a[i] - b[j]`` in two loops, and ``out[i] = a[i] - b``, which computes one row in each round.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.kinds import NDARRAY
from mlint.model.loops import dtypes
from mlint.model.loops.apart import plain
from mlint.model.loops.counted import Nest
from mlint.model.loops.described import EITHER_ZERO, Lifted, NotElementwise, Operand, Place, Target, peeled

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.loops.elementwise import Elementwise

OPERATIONS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.BitAnd: "bitwise_and",
    ast.BitOr: "bitwise_or",
    ast.BitXor: "bitwise_xor",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
"""Operators → the ufunc that computes the same. Not ``**``: that of an array may differ from that of numbers."""
_CALLED = frozenset("maximum minimum fmax fmin hypot arctan2 copysign logical_and logical_or logical_xor".split())
_COMMUTATIVE = frozenset({"add", "multiply", "bitwise_and", "bitwise_or", "bitwise_xor", "equal", "not_equal"})


class Outer(NamedTuple):
    """A table of two vectors.

    Attributes:
        nest: the loops.
        target: the table.
        op: the operator with which it is updated; None where it is stored to.
        ufunc: the name of the operation.
        rows: the vector that the rows stand for, as text.
        columns: the vector that the columns stand for, as text.
        turned: whether the operation takes the element of ``columns`` first.
        arrays: both vectors as they stand in the program, that of the rows first.
        doubts: why the rewrite may give other results.
        obstacles: why there can be no rewrite.
    """

    nest: Nest
    target: Target
    op: ast.operator | None
    ufunc: str
    rows: str
    columns: str
    turned: bool
    arrays: tuple[ast.expr, ast.expr]
    doubts: list[str]
    obstacles: list[str]


class _Operation(NamedTuple):
    value: ast.expr
    ufunc: str
    first: ast.expr
    second: ast.expr


class _Vector(NamedTuple):
    """An operand: the loop whose rounds go through it, its text, what is read, its dtype and dimensions."""

    axis: int
    text: str
    operand: Operand
    dtype: str | None
    rest: int | None
    lifted: Lifted | None

    @property
    def array(self) -> ast.expr:
        return self.operand.array


class Outers:
    """The tables of two vectors of one file."""

    def __init__(self, elementwise: Elementwise) -> None:
        self.elementwise = elementwise
        self.model: FileModel = elementwise.model
        self._found: dict[ast.For, Outer | None] = {}

    def of(self, loop: ast.For) -> Outer | None:
        """The table that a nest of loops fills; None if it does something else."""
        if loop not in self._found:
            self._found[loop] = None
            try:
                self._found[loop] = self._outer(loop)
            except NotElementwise:
                pass
        return self._found[loop]

    def around(self, loop: ast.For) -> Outer | None:
        """The table that a loop is part of the filling of: other rules have nothing to say about that loop."""
        outer = self.model.counted.outer(loop)
        return self.of(loop) or (self.of(outer) if outer is not None else None)

    def _outer(self, loop: ast.For) -> Outer | None:
        statement = _innermost(loop)
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            place, op = statement.targets[0], None
        elif isinstance(statement, ast.AugAssign):
            place, op = statement.target, statement.op
        else:
            return None
        operation = self._operation(statement.value)
        if operation is None or not isinstance(place, ast.Subscript):
            return None
        nest = self.elementwise.nest(loop)
        if nest is None or len(nest.body) != 1 or nest.body[0] is not statement or len(nest.axes) > 2:
            return None
        if len(nest.axes) == 2:
            first = peeled(place)[1][:1]
            if first and self._mentions(first[0], nest.axes[1].names):  # column by column
                nest = nest._replace(axes=nest.axes[::-1])
            return self._of_elements(nest, self.elementwise.target(place, nest.axes), op, operation)
        return self._of_rows(nest, self.elementwise.target(_row(place), nest.axes), op, operation)

    def _operation(self, value: ast.expr) -> _Operation | None:
        """The ufunc of an expression and its operands."""
        if isinstance(value, ast.BinOp) and type(value.op) in OPERATIONS:
            return _Operation(value, OPERATIONS[type(value.op)], value.left, value.right)
        if isinstance(value, ast.Compare) and len(value.ops) == 1 and type(value.ops[0]) in OPERATIONS:
            return _Operation(value, OPERATIONS[type(value.ops[0])], value.left, value.comparators[0])
        if isinstance(value, ast.Call) and len(value.args) == 2 and not value.keywords:
            dotted = self.model.names.dotted(value.func) or ""
            ufunc = dotted.removeprefix("numpy.")
            if dotted.startswith("numpy.") and ufunc in _CALLED:
                return _Operation(value, ufunc, value.args[0], value.args[1])
        return None

    def _of_elements(self, nest: Nest, target: Target, op: ast.operator | None, operation: _Operation) -> Outer | None:
        """``out[i, j] = a[i] - b[j]``."""
        if target.rest != 0:
            return None
        vectors: list[_Vector] = []
        for element in (operation.first, operation.second):
            axes = [number for number, axis in enumerate(nest.axes) if self._mentions(element, axis.names)]
            vector = self._vector(element, nest, axes[0]) if len(axes) == 1 else None
            if vector is None:
                return None
            vectors.append(vector)
        if {vector.axis for vector in vectors} != {0, 1}:
            return None
        return self._made(nest, target, op, operation, vectors, 0)

    def _of_rows(self, nest: Nest, target: Target, op: ast.operator | None, operation: _Operation) -> Outer | None:
        """``out[i] = a[i] - b``."""
        if target.rest != 1 or len(target.pattern) != 1:
            return None
        vectors: list[_Vector] = []
        for part in (operation.first, operation.second):
            vector = self._vector(part, nest, 0) if self._mentions(part, nest.names) else self._whole(part)
            if vector is None:
                return None
            vectors.append(vector)
        if {vector.axis for vector in vectors} != {0, 1} or any(vector.rest is None for vector in vectors):
            return None
        row = next(vector for vector in vectors if vector.axis == 1)
        found = self._made(nest, target, op, operation, vectors, 1)
        if self.model.lengths.axis(row.array, 0) != self.model.lengths.axis(target.array, 1):
            found.doubts.append("the lengths are not proven")  # of which nobody asks where there are no rounds
        return found

    def _vector(self, element: ast.expr, nest: Nest, axis: int) -> _Vector | None:
        """The vector of which each round of one of the loops takes an element."""
        lifted = self.elementwise.lift(element, (nest.axes[axis],))
        text = lifted.replacements.get(element)
        if text is None or len(lifted.operands) != 1 or lifted.operations or lifted.counters or lifted.wholes:
            return None
        operand = lifted.operands[0]
        if _place(operand) is None or lifted.rests[0] not in (0, None):
            return None
        pattern = tuple(Place(axis, part.offset) if isinstance(part, Place) else part for part in operand.pattern)
        return _Vector(axis, text, operand._replace(pattern=pattern), lifted.dtype, lifted.rests[0], lifted)

    def _whole(self, vector: ast.expr) -> _Vector | None:
        """The vector that each round takes as a whole."""
        if not isinstance(vector, (ast.Name, ast.Attribute)) or not self.model.kinds.is_a(vector, NDARRAY):
            return None
        if self.model.lengths.dimensions(vector) != 1:
            return None
        operand = Operand(vector, self.model.lengths.identity(vector), ("whole",))
        return _Vector(1, self.model.source.segment(vector), operand, self.model.kinds.of(vector).dtype, 0, None)

    def _mentions(self, node: ast.AST, names: frozenset[str]) -> bool:
        return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))

    def _made(
        self,
        nest: Nest,
        target: Target,
        op: ast.operator | None,
        operation: _Operation,
        vectors: list[_Vector],
        rest: int,
    ) -> Outer:
        """The table, once it is known to be one.

        Raises:
            NotElementwise: a round reads what another one stores.
        """
        value, ufunc = operation.value, operation.ufunc
        lifted = Lifted(value)
        first, second = (vector.dtype for vector in vectors)
        if isinstance(value, ast.Call):
            lifted.dtype = dtypes.called(ufunc, [first, second])
        else:
            lifted.dtype = dtypes.combined(first, second, value.op if isinstance(value, ast.BinOp) else None)
            if lifted.dtype is not None and isinstance(value, ast.Compare):
                lifted.dtype = "bool"
        if ufunc.startswith("bitwise") and lifted.dtype in dtypes.FLOATS:
            raise NotElementwise("floats have no bits to combine")
        if not (self.elementwise.scalars_as_arrays or {first, second} <= dtypes.ALIKE_IN_ALL_VERSIONS):
            lifted.dtype = None  # NumPy 1 promotes numbers in another way than arrays
        for vector in vectors:
            lifted.operands.append(vector.operand)
            lifted.rests.append(None if vector.rest is None else rest)
            if vector.lifted is not None:
                lifted.doubts += vector.lifted.doubts
                lifted.obstacles += vector.lifted.obstacles
        for array in (target.array, *(vector.array for vector in vectors)):
            plain(self.elementwise, array)
        doubts = self.elementwise.stored(lifted, target, op)
        if ufunc in ("fmax", "fmin") and lifted.dtype not in dtypes.INTEGERS:
            doubts.append(EITHER_ZERO)
        turned = vectors[0].axis == 1
        if turned:
            vectors = vectors[::-1]
            turned = ufunc not in _COMMUTATIVE
        rows, columns = vectors
        arrays = (rows.array, columns.array)
        return Outer(nest, target, op, ufunc, rows.text, columns.text, turned, arrays, doubts, lifted.obstacles)


def _row(place: ast.Subscript) -> ast.Subscript:
    """``out[i, :]`` is ``out[i]``."""
    index = place.slice
    if not isinstance(index, ast.Tuple) or len(index.elts) != 2 or not isinstance(index.elts[1], ast.Slice):
        return place
    slice_ = index.elts[1]
    if slice_.lower is not None or slice_.upper is not None or slice_.step is not None:
        return place
    return ast.copy_location(ast.Subscript(place.value, index.elts[0], place.ctx), place)


def _place(operand: Operand) -> int | None:
    """The loop whose counter is the only one in the subscript of an element."""
    places = [part.axis for part in operand.pattern if isinstance(part, Place)]
    return places[0] if len(places) == 1 and not operand.gathered else None


def _innermost(loop: ast.For) -> ast.stmt | None:
    """The statement that is all there is in a loop, or in a loop that is all there is in it."""
    body = loop.body
    if len(body) == 1 and isinstance(body[0], ast.For):
        body = body[0].body
    return body[0] if len(body) == 1 else None
