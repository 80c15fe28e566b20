"""Tables of the distances or dot products of all pairs of rows: ``D[i, j] = np.linalg.norm(X[i] - Y[j])``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.kinds import NDARRAY
from mlint.model.loops.apart import apart
from mlint.model.loops.counted import Axis, Nest
from mlint.model.loops.described import NotElementwise, Place, Target, peeled
from mlint.model.tree import walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel
    from mlint.model.loops.elementwise import Elementwise

DOT, EUCLIDEAN, SQUARED, CITYBLOCK, CHEBYSHEV = "dot", "euclidean", "sqeuclidean", "cityblock", "chebyshev"
_SCIPY = frozenset({EUCLIDEAN, SQUARED, CITYBLOCK, CHEBYSHEV, "cosine", "canberra", "braycurtis", "correlation"})
"""Functions of scipy.spatial.distance that `cdist` knows by the same name."""
_ORDERS = {"1": CITYBLOCK, "2": EUCLIDEAN, "None": EUCLIDEAN, "np.inf": CHEBYSHEV, "numpy.inf": CHEBYSHEV}


class Rows(NamedTuple):
    """The rows that one loop goes through.

    Attributes:
        array: the matrix.
        axis: the number of the loop.
        columns: whether they are its columns.
        slice: which of them, as a slice; ``:`` for all.
    """

    array: ast.expr
    axis: int
    columns: bool
    slice: str


class Pairwise(NamedTuple):
    """A table of all pairs.

    Attributes:
        metric: what is computed of each pair.
        first: the rows of the first dimension of the table.
        second: the rows of the second dimension.
        summed: whether a dot product is a sum of products, whose dtype NumPy widens.
        nest: the loops; None for a comprehension.
        target: the table; None for a comprehension.
        names: variables that go with the loops besides theirs.
        doubts: why a rewrite may give other results, besides the order of sums.
    """

    metric: str
    first: Rows
    second: Rows
    summed: bool
    nest: Nest | None
    target: Target | None
    names: tuple[str, ...]
    doubts: list[str]


class PairwiseLoops:
    """The tables of pairs of one file."""

    def __init__(self, elementwise: Elementwise) -> None:
        self.elementwise = elementwise
        self.model: FileModel = elementwise.model

    def stored(self, loop: ast.For) -> Pairwise | None:
        """The table that a nest of two loops fills."""
        try:
            return self._stored(loop)
        except NotElementwise:
            return None

    def collected(self, node: ast.ListComp) -> Pairwise | None:
        """``[[np.linalg.norm(x - y) for y in Y] for x in X]``."""
        inner = node.elt
        if not isinstance(inner, ast.ListComp) or len(node.generators) != 1 or len(inner.generators) != 1:
            return None
        axes: list[Axis] = []
        for clause in (node.generators[0], inner.generators[0]):
            axis = None if clause.ifs or clause.is_async else self.model.counted.axis(clause.target, clause.iter)
            if axis is None or axis.short:
                return None
            axes.append(axis)
        if axes[0].names & axes[1].names or _mentions(inner.generators[0].iter, axes[0].names):
            return None
        if not self.elementwise.interpreted(node):
            return None
        try:
            return self._pairs(inner.elt, tuple(axes), {}, None, None)
        except NotElementwise:
            return None

    def _stored(self, loop: ast.For) -> Pairwise | None:
        if not _may_measure(loop):
            return None
        nest = self.elementwise.nest(loop)
        if nest is None or len(nest.axes) != 2 or len(nest.body) > 2:
            return None
        temporaries: dict[str, ast.expr] = {}
        if len(nest.body) == 2:
            first = nest.body[0]
            name = first.targets[0] if isinstance(first, ast.Assign) and len(first.targets) == 1 else None
            if not isinstance(first, ast.Assign) or not isinstance(name, ast.Name):
                return None
            temporaries[name.id] = first.value
        statement = nest.body[-1]
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return None
        place = statement.targets[0]
        if not isinstance(place, ast.Subscript) or _mentions(place, frozenset(temporaries)):
            return None
        if temporaries.keys() & nest.names:
            return None
        indices = peeled(place)[1][:1]
        if indices and _mentions(indices[0], nest.axes[1].names):
            nest = nest._replace(axes=nest.axes[::-1])
        target = self.elementwise.target(place, nest.axes)
        if target.rest:
            return None
        return self._pairs(statement.value, nest.axes, temporaries, nest, target)

    def _pairs(
        self,
        value: ast.expr,
        axes: tuple[Axis, ...],
        temporaries: dict[str, ast.expr],
        nest: Nest | None,
        target: Target | None,
    ) -> Pairwise | None:
        found = _Measure(self.model, temporaries).metric(value)
        if found is None:
            return None
        metric, left, right, summed = found
        doubts: list[str] = []
        rows = [self._rows(node, axes, doubts) for node in (left, right)]
        first, second = rows
        if first is None or second is None or first.axis == second.axis:
            return None
        if first.axis:
            first, second = second, first
        if target is not None:
            doubts += target.doubts
            for one in (first, second):
                doubts += apart(self.elementwise, one.array, target.array)
        return Pairwise(metric, first, second, summed, nest, target, tuple(temporaries), doubts)

    def _rows(self, node: ast.expr, axes: tuple[Axis, ...], doubts: list[str]) -> Rows | None:
        """The matrix of which an expression is a row in each round of one loop."""
        if isinstance(node, ast.Name):
            for number, axis in enumerate(axes):
                for name, array in axis.elements:
                    if name == node.id and not axis.uneven and isinstance(array, (ast.Name, ast.Attribute)):
                        return self._matrix(array, number, 0, ":", doubts, seen=False)
            return None
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, (ast.Name, ast.Attribute)):
            return None
        indices = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        whole = [isinstance(i, ast.Slice) and not (i.lower or i.upper or i.step) for i in indices]
        if len(indices) > 2 or whole.count(False) != 1:
            return None
        position = whole.index(False)
        place = self.elementwise.position(indices[position], axes)
        if not isinstance(place, Place) or self.model.kinds.of(node.value).dtype == "object":
            return None
        pattern = (":", place) if position else (place,)
        slices = self.elementwise.slices(node.value, pattern, axes, doubts)
        return self._matrix(node.value, place.axis, position, slices[position], doubts, seen=len(indices) == 2)

    def _matrix(
        self, array: ast.expr, axis: int, position: int, part: str, doubts: list[str], *, seen: bool
    ) -> Rows | None:
        if not self.model.kinds.is_a(array, NDARRAY):
            return None
        dimensions = self.model.lengths.dimensions(array)
        if dimensions != 2 and not (dimensions is None and seen):
            return None
        if dimensions is None:
            doubts.append("the number of dimensions is not proven")
        return Rows(array, axis, position == 1, part)


class _Measure:
    """Reads what is computed of two rows."""

    def __init__(self, model: FileModel, temporaries: dict[str, ast.expr]) -> None:
        self.model = model
        self.temporaries = temporaries

    def metric(self, node: ast.expr) -> tuple[str, ast.expr, ast.expr, bool] | None:
        """The metric, both rows, and whether a dot product is written as a sum of products."""
        node = self._resolved(node)
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.MatMult):
                return self._dot(node.left, node.right)
            if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) and node.right.value == 0.5:
                return self._root(node.left)
            return None
        if not isinstance(node, ast.Call):
            return None
        dotted = self.model.names.dotted(node.func)
        if dotted is None:
            if not isinstance(node.func, ast.Attribute) or node.args or node.keywords:
                return None
            return self._reduced(node.func.attr, node.func.value)
        root, _, name = dotted.rpartition(".")
        if dotted == "numpy.linalg.norm":
            return self._norm(node)
        if node.keywords:
            return None
        if root == "scipy.spatial.distance" and name in _SCIPY and len(node.args) == 2:
            return name, self._resolved(node.args[0]), self._resolved(node.args[1]), False
        if dotted in ("numpy.dot", "numpy.inner", "numpy.vdot", "numpy.matmul") and len(node.args) == 2:
            return self._dot(*node.args)
        if len(node.args) != 1:
            return None
        if dotted in ("numpy.sqrt", "math.sqrt"):
            return self._root(node.args[0])
        return self._reduced(name, node.args[0]) if root == "numpy" else None

    def _resolved(self, node: ast.expr) -> ast.expr:
        return self.temporaries.get(node.id, node) if isinstance(node, ast.Name) else node

    def _norm(self, node: ast.Call) -> tuple[str, ast.expr, ast.expr, bool] | None:
        order = "None"
        for keyword in node.keywords:
            if keyword.arg != "ord":
                return None
            order = ast.unparse(keyword.value)
        if len(node.args) == 2:
            order = ast.unparse(node.args[1])
        difference = self._difference(node.args[0]) if len(node.args) in (1, 2) else None
        metric = _ORDERS.get(order)
        return None if difference is None or metric is None else (metric, *difference, False)

    def _root(self, node: ast.expr) -> tuple[str, ast.expr, ast.expr, bool] | None:
        inner = self.metric(node)
        return (EUCLIDEAN, *inner[1:]) if inner is not None and inner[0] == SQUARED else None

    def _dot(self, left: ast.expr, right: ast.expr) -> tuple[str, ast.expr, ast.expr, bool] | None:
        difference = self._difference(left)
        if difference is not None:
            same = ast.dump(self._resolved(left)) == ast.dump(self._resolved(right))
            return (SQUARED, *difference, False) if same else None
        return DOT, self._resolved(left), self._resolved(right), False

    def _reduced(self, name: str, node: ast.expr) -> tuple[str, ast.expr, ast.expr, bool] | None:
        """``np.sum(E)``, ``E.max()``."""
        node = self._resolved(node)
        if isinstance(node, ast.Call):
            dotted = self.model.names.dotted(node.func)
            if len(node.args) != 1 or node.keywords:
                return None
            difference = self._difference(node.args[0])
            if difference is None:
                return None
            if dotted in ("numpy.abs", "numpy.absolute", "abs"):
                metric = {"sum": CITYBLOCK, "max": CHEBYSHEV, "amax": CHEBYSHEV}.get(name)
                return None if metric is None else (metric, *difference, False)
            return (SQUARED, *difference, False) if dotted == "numpy.square" and name == "sum" else None
        if not isinstance(node, ast.BinOp) or name != "sum":
            return None
        difference = self._difference(node.left)
        if isinstance(node.op, ast.Pow):
            square = isinstance(node.right, ast.Constant) and node.right.value == 2
            return (SQUARED, *difference, False) if square and difference is not None else None
        if not isinstance(node.op, ast.Mult):
            return None
        if difference is None:
            return DOT, self._resolved(node.left), self._resolved(node.right), True
        same = ast.dump(self._resolved(node.left)) == ast.dump(self._resolved(node.right))
        return (SQUARED, *difference, False) if same else None

    def _difference(self, node: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        node = self._resolved(node)
        return (node.left, node.right) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) else None


def _may_measure(loop: ast.For) -> bool:
    """Whether two loops around one or two statements store what calls or ``@`` give: a look at the syntax."""
    body = loop.body
    if len(body) != 1 or not isinstance(body[0], ast.For):
        return False
    last = body[0].body[-1]
    if len(body[0].body) > 2 or not isinstance(last, ast.Assign) or not isinstance(last.targets[0], ast.Subscript):
        return False
    parts = (part for statement in body[0].body for part in walk(statement))
    return any(isinstance(part, ast.Call) or isinstance(getattr(part, "op", None), ast.MatMult) for part in parts)


def _mentions(node: ast.AST, names: frozenset[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in walk(node))
