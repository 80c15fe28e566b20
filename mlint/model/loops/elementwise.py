"""Loops as array expressions: what one round computes from the elements, said of the whole arrays at once.

`Elementwise.lift` takes the expression of one round of a nest of loops and describes it as an array expression: which
parts of its text are replaced by what (``a[i]`` by ``a`` or ``a[:n]``, the counter by ``np.arange(n)``, ``math.exp`` by
``np.exp``), what the result's dtype is, what stands in the way of a rewrite, and what makes it one that may change
results. `Elementwise.target` does the same for the place that the round stores to. What is not elementwise at all (a
recurrence, an unknown call, an early exit) raises `NotElementwise` with the reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlint.model.kinds import NDARRAY
from mlint.model.libraries.numpy_ import UFUNCS
from mlint.model.loops import dtypes
from mlint.model.loops.counted import Axis, Nest
from mlint.model.loops.described import (
    EITHER_ZERO,
    Lifted,
    NotElementwise,
    Operand,
    Place,
    Scattered,
    Target,
    peeled,
    same_or_apart,
)
from mlint.model.loops.memory import Memory
from mlint.model.loops.scalars import CONSTANTS, REDUCTIONS, Scalars
from mlint.model.refusals import REFUSED, UNSAFE, note
from mlint.model.tree import children, walk

if TYPE_CHECKING:
    from mlint.model.file import FileModel

MATH = {
    **{
        name: f"numpy.{name}"
        for name in "exp exp2 expm1 log log2 log10 log1p sqrt cbrt sin cos tan sinh cosh tanh floor ceil trunc fabs "
        "hypot fmod copysign degrees radians isnan isinf isfinite".split()
    },
    **{f"a{name}": f"numpy.arc{name}" for name in "sin cos tan sinh cosh tanh".split()},
    "atan2": "numpy.arctan2",
    "pow": "numpy.power",
}
"""Functions of module math → the ufuncs that compute the same of an array; they raise where the ufunc gives NaN."""

_BUILTINS = {"abs": None, "max": "numpy.maximum", "min": "numpy.minimum"}
_ELEMENTWISE = UFUNCS - {"where", "interp", "clip", "nan_to_num", "real", "imag", "angle", "sinc", "i0"}
_INEXACT_CALLS = frozenset({"power", "float_power"})
_SCALARS = frozenset({"int", "float", "bool", "scalar", "complex"})
_NEVER_NUMBERS = frozenset({"str", "bytes", "list", "tuple", "dict", "set", "None", "range"})


_SCALAR_FUNCTIONS = frozenset({"abs", "min", "max", "float", "int", "bool", "round", "pow", "sum", "len"})
_ARITHMETIC = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Subscript, ast.Tuple, ast.Slice, ast.IfExp)


class Elementwise:
    """Lifts the loops of one file.

    Args:
        model: the file.
        scalars_as_arrays: whether scalars promote as arrays do (every targeted NumPy is 2 or newer).
    """

    def __init__(self, model: FileModel, *, scalars_as_arrays: bool) -> None:
        self.model = model
        self.scalars_as_arrays = scalars_as_arrays
        self.memory = Memory(model)
        self.scalars = Scalars(model)
        self._plausible: dict[ast.For, bool] = {}

    # Around the loop

    def plausible(self, node: ast.expr) -> bool:
        """Whether an expression has only parts that could be array code: a quick look, before kinds are inferred."""
        stack: list[ast.AST] = [node]
        while stack:
            part = stack.pop()
            if isinstance(part, ast.Call):
                dotted = self.model.names.dotted(part.func)
                if dotted is None and isinstance(part.func, ast.Attribute) and part.func.attr in REDUCTIONS:
                    stack.append(part.func.value)
                elif dotted is None or not (
                    dotted in _SCALAR_FUNCTIONS or dotted.startswith(("numpy.", "math.", "scipy."))
                ):
                    return False
                stack += part.args
            elif isinstance(part, _ARITHMETIC):
                stack += children(part)
            elif isinstance(part, (ast.GeneratorExp, ast.ListComp)):
                stack.append(part.elt)
            elif not isinstance(part, (ast.Name, ast.Constant, ast.Attribute)):
                return False
        return True

    def nest(self, loop: ast.For) -> Nest | None:
        """The nest of loops over array elements that begins here, where array code could stand.

        None inside functions that a compiler runs, for loops of a few literal rounds, and where an error of one round
        is caught.
        """
        if not self._plausible_loop(loop):
            note(REFUSED, "a statement of the loop calls what is no arithmetic, or is more than arithmetic")
            return None
        nest = self.model.counted.nest(loop)
        if nest is None:
            note(REFUSED, "it goes over no range and no proven array, or has more than a few plain statements")
        elif any(axis.short for axis in nest.axes):
            note(REFUSED, "it makes a few rounds only")
        elif self.interpreted(loop):
            return nest
        return None

    def interpreted(self, node: ast.AST) -> bool:
        """Whether the interpreter runs code, and nobody catches what a round of a loop may raise."""
        if self.model.flow.compiled(node):
            note(REFUSED, "a compiler runs the function")
        elif self._errors_caught(node):
            note(REFUSED, "an error of a round is caught around it")
        else:
            return True
        return False

    def _plausible_loop(self, loop: ast.For) -> bool:
        """Whether the statements of a loop could be array code: a quick look, before kinds are inferred."""
        known = self._plausible.get(loop)
        if known is None:
            known = self._plausible[loop] = all(self._plausible_statement(statement) for statement in loop.body)
        return known

    def _plausible_statement(self, statement: ast.stmt) -> bool:
        if isinstance(statement, (ast.Assign, ast.AugAssign)):
            return self.plausible(statement.value)
        if isinstance(statement, ast.For):
            return self._plausible_loop(statement)
        if isinstance(statement, ast.If):
            parts = (*statement.body, *statement.orelse)
            return self.plausible(statement.test) and all(self._plausible_statement(part) for part in parts)
        if isinstance(statement, ast.Expr):
            call = statement.value
            return isinstance(call, ast.Call) and all(self.plausible(argument) for argument in call.args)
        return isinstance(statement, (ast.AnnAssign, ast.Break, ast.Continue, ast.Pass))

    def _errors_caught(self, loop: ast.AST) -> bool:
        child: ast.AST = loop
        for ancestor in self.model.tree.ancestors(loop):
            if isinstance(ancestor, ast.Try) and any(child is statement for statement in ancestor.body):
                for handler in ancestor.handlers:
                    for inner in walk(handler.type) if handler.type is not None else ():
                        if isinstance(inner, ast.Name) and inner.id in _ROUND_ERRORS:
                            return True
            child = ancestor
        return False

    def runs(self, axes: Iterable[Axis]) -> bool:
        """Whether loops certainly make a round."""
        return all(
            axis.stop is not None and axis.stop.base is None and axis.stop.offset > axis.start and not axis.uneven
            for axis in axes
        )

    def single(self, loop: ast.For) -> tuple[Nest, ast.stmt] | None:
        """The nest that begins with a loop and its statement, if it is one loop over elements around one statement."""
        nest = self.nest(loop)
        if nest is None or len(nest.axes) != 1 or len(nest.body) != 1:
            return None
        return nest, nest.body[0]

    # The place stored to

    def target(self, node: ast.expr, axes: tuple[Axis, ...]) -> Target:
        """The slices that a nest stores to.

        Raises:
            NotElementwise: not each round has its own element of a proven array.
        """
        names = _names(axes)
        root, indices = peeled(node)
        if not isinstance(node, ast.Subscript) or _mentions(root, names):
            raise NotElementwise("it stores to no element of an array")
        kind = self.model.kinds.of(root)
        if not kind.is_a(NDARRAY) or kind.dtype == "object":
            raise NotElementwise("what it stores to is not proven to be an array")
        pattern = tuple(self.position(index, axes) for index in indices)
        places = [part.axis for part in pattern if isinstance(part, Place)]
        if places != list(range(len(axes))):
            raise NotElementwise("a round does not store to an element of its own")
        ndim = self.model.lengths.dimensions(root)
        rest = None if ndim is None else ndim - len(pattern)
        if rest is not None and rest < 0:
            raise NotElementwise("the array has fewer dimensions")
        doubts: list[str] = []
        slices = self.slices(root, pattern, axes, doubts)
        text = f"{self.model.source.segment(root)}[{', '.join(slices)}]"
        key = self.model.lengths.identity(root)
        return Target(node, root, key, pattern, text, kind.dtype, rest, self.memory.fresh(root), tuple(doubts))

    def scattered(self, node: ast.expr, axes: tuple[Axis, ...]) -> Scattered:
        """The places that a loop stores to by an index that is an element of an array: ``out[order[i]]``.

        Raises:
            NotElementwise: there is no such index, or more than that.
        """
        names = _names(axes)
        root, indices = peeled(node)
        if not isinstance(node, ast.Subscript) or _mentions(root, names) or len(axes) != 1:
            raise NotElementwise("it stores to no element of an array")
        kind = self.model.kinds.of(root)
        if not kind.is_a(NDARRAY) or kind.dtype == "object":
            raise NotElementwise("what it stores to is not proven to be an array")
        parts: list[str | Lifted] = []
        counted = False
        doubts: list[str] = []
        indirect: list[Lifted] = []
        for index in indices:
            if not _mentions(index, names):
                part = self.position(index, axes)
                assert isinstance(part, str)
                parts.append(part)
            elif self._is_place(index, axes):
                if not isinstance(index, ast.Name):
                    raise NotElementwise("the index is not the counter of the loop")
                counted = True
                parts.append(self._numbers(index, axes[0], 0, 1))
            else:
                lifted = self.lift(index, axes)
                self._check_index(lifted)
                doubts += lifted.doubts
                if any(rest != 0 for rest in lifted.rests):
                    doubts.append("the number of dimensions is not proven")
                indirect.append(lifted)
                parts.append(lifted)
        if not indirect:
            raise NotElementwise("no index is an element of an array")
        ndim = self.model.lengths.dimensions(root)
        rest = None if ndim is None else ndim - len(indices)
        if rest is not None and rest != 0:
            raise NotElementwise("a round stores to a row")
        if rest is None:
            doubts.append("the number of dimensions is not proven")
        key = self.model.lengths.identity(root)
        text = self.model.source.segment(root)
        target = Target(node, root, key, ("scattered",), text, kind.dtype, rest, self.memory.fresh(root), tuple(doubts))
        return Scattered(target, tuple(parts), tuple(indirect), counted)

    def _check_index(self, lifted: Lifted) -> None:
        """Whether an index is nothing but an element of an array of integers."""
        if not lifted.operands or lifted.operations or lifted.counters or lifted.wholes:
            raise NotElementwise("the index is no element of an array")
        if lifted.dtype is None:
            lifted.doubts.append("the index is not proven to be an integer")
        elif not lifted.dtype.startswith(("int", "uint")):
            raise NotElementwise("the index is no integer")

    # The value of a round

    def lift(self, node: ast.expr, axes: tuple[Axis, ...], *, gather: bool = False) -> Lifted:
        """An expression of one round as an array expression.

        Args:
            node: the expression.
            axes: the loops around it.
            gather: whether indices may themselves be elements of arrays.

        Raises:
            NotElementwise: it is none.
        """
        lifted = Lifted(node)
        lifted.dtype = self._visit(node, axes, lifted, gather)
        for axis in axes:
            if axis.uneven:
                lifted.obstacles.append("the arrays may have different lengths")
        for doubt in lifted.doubts:
            note(UNSAFE, doubt)
        return lifted

    def stored(self, lifted: Lifted, target: Target, op: ast.operator | None = None) -> list[str]:
        """The reasons why storing the array expression at once may give something else than the loop does.

        Args:
            lifted: the value.
            target: the place.
            op: the operator of an augmented assignment.

        Raises:
            NotElementwise: a round reads what another one stores.
        """
        doubts = [*target.doubts, *lifted.doubts]
        name = self.model.source.segment(target.array)
        for operand in lifted.operands:
            same = operand.key is not None and operand.key == target.key
            if same or self.model.source.segment(operand.array) == name:
                if operand.gathered or not same_or_apart(operand.pattern, target.pattern):
                    raise NotElementwise(f"a round reads another element of `{name}`")
            elif self.memory.related(operand.array, target.array):
                raise NotElementwise(f"`{self.model.source.segment(operand.array)}` may be part of `{name}`")
            elif not target.fresh and not self.memory.fresh(operand.array):
                doubts.append(f"`{self.model.source.segment(operand.array)}` may share memory with `{name}`")
        known = {rest for rest in lifted.rests if rest is not None}
        if target.rest is not None and known - {target.rest}:
            raise NotElementwise("what is stored has another number of dimensions than the place")
        if known != set(lifted.rests) or (known and target.rest is None):
            doubts.append("the number of dimensions is not proven")
        if op is None:
            alike = dtypes.stores_alike(lifted.dtype, target.dtype)
        else:  # an element takes a result of any dtype, an array updated in place only one of its own kind
            result = dtypes.combined(target.dtype, lifted.dtype, op)
            alike = result is not None and result == target.dtype
            if result in dtypes.FLOATS and target.dtype in (*dtypes.INTEGERS, "bool"):
                lifted.obstacles.append("an array of integers cannot be updated with numbers of another kind")
            if isinstance(op, ast.Pow):
                doubts.append("`**` of an array and of a number may differ in the last digit")
        if not alike:
            doubts.append("the dtypes are not proven")
        for doubt in doubts:
            note(UNSAFE, doubt)
        return doubts

    def mentions(self, node: ast.AST, array: ast.expr) -> bool:
        """Whether an expression mentions an array by its name."""
        name = ast.dump(array)
        return any(ast.dump(inner).replace("Store()", "Load()") == name.replace("Store()", "Load()")
                   for inner in walk(node) if type(inner) is type(array))  # fmt: skip

    # Inside the expression

    def _visit(self, node: ast.expr, axes: tuple[Axis, ...], lifted: Lifted, gather: bool) -> str | None:
        """Describe an expression; returns what its dtype is."""
        if not _mentions(node, _names(axes)):
            return self._invariant(node, axes, lifted)
        if isinstance(node, ast.Name):
            return self._variable(node, axes, lifted)
        if isinstance(node, ast.Subscript):
            return self._element(node, axes, lifted, gather)
        if isinstance(node, ast.BinOp):
            return self._operation(node, axes, lifted, gather)
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                raise NotElementwise("`not` asks for the truth of one value")
            lifted.operations += 1
            dtype = self._visit(node.operand, axes, lifted, gather)
            if dtype == "bool" and not isinstance(node.op, ast.Invert):
                lifted.doubts.append("NumPy has no sign for truth values")
                return None
            return dtype
        if isinstance(node, ast.Compare):
            if len(node.ops) != 1 or isinstance(node.ops[0], (ast.Is, ast.IsNot, ast.In, ast.NotIn)):
                raise NotElementwise("the comparison asks for the truth of one value")
            lifted.operations += 1
            dtype = self._combined(node.left, node.comparators[0], None, axes, lifted, gather)
            if dtype in dtypes.COUNTED:
                lifted.doubts.append("a comparison of counters is Python's, that of arrays NumPy's")
                return None
            return None if dtype is None else "bool"
        if isinstance(node, ast.Call):
            return self._call(node, axes, lifted, gather)
        raise NotElementwise(f"`{ast.unparse(node)}` is not arithmetic")

    def _combined(
        self,
        left: ast.expr,
        right: ast.expr,
        op: ast.operator | None,
        axes: tuple[Axis, ...],
        lifted: Lifted,
        gather: bool,
    ) -> str | None:
        first = self._visit(left, axes, lifted, gather)
        second = self._visit(right, axes, lifted, gather)
        result = dtypes.combined(first, second, op)
        if result is None or not (self.scalars_as_arrays or {first, second} <= dtypes.ALIKE_IN_ALL_VERSIONS):
            lifted.doubts.append("the dtypes are not proven")
        return result

    def _operation(self, node: ast.BinOp, axes: tuple[Axis, ...], lifted: Lifted, gather: bool) -> str | None:
        if isinstance(node.op, ast.MatMult):
            raise NotElementwise("`@` is no elementwise operation")
        lifted.operations += 1
        if isinstance(node.op, ast.Pow):
            lifted.doubts.append("`**` of an array and of a number may differ in the last digit")
        dtype = self._combined(node.left, node.right, node.op, axes, lifted, gather)
        if isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod)) and dtype in dtypes.COUNTED:
            divisor = node.right
            if not (isinstance(divisor, ast.Constant) and divisor.value):
                lifted.doubts.append("dividing a counter by zero raises, dividing an array does not")
        if dtype == "index" and not self.scalars.stays_small(node, _names(axes)):
            lifted.doubts.append("counters are Python's integers, which do not overflow")
        return dtype

    def _invariant(self, node: ast.expr, axes: tuple[Axis, ...], lifted: Lifted) -> str | None:
        """A part that is the same in all rounds."""
        if not self.runs(axes) and any(_may_raise(inner) for inner in walk(node)):
            lifted.doubts.append(f"`{ast.unparse(node)}` may raise where there are no rounds")
        for inner in walk(node):
            if isinstance(inner, ast.Call):
                self.scalars.check_pure(inner)
            elif isinstance(inner, (ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.JoinedStr)):
                raise NotElementwise(f"`{ast.unparse(inner)}` is not arithmetic")
        if isinstance(node, ast.Attribute) and self.model.names.dotted(node) in CONSTANTS:
            return "~float"
        kind = self.model.kinds.of(node)
        if kind.name in _NEVER_NUMBERS:
            raise NotElementwise(f"`{ast.unparse(node)}` is no number")
        if kind.is_a(NDARRAY):
            ndim = self.model.lengths.dimensions(node)
            if ndim != 0:
                lifted.rests.append(ndim)
                lifted.wholes.append(self.model.source.segment(node))
            # An array that is read whole in each round, as `out` is while rounds store to it, is no element of it.
            lifted.operands.append(Operand(node, self.model.lengths.identity(node), ("whole",)))
            return kind.dtype
        for inner in walk(node):
            if isinstance(inner, (ast.Name, ast.Attribute)) and self.model.kinds.is_a(inner, NDARRAY):
                lifted.operands.append(Operand(inner, self.model.lengths.identity(inner), ("whole",)))
        if kind.name in ("int", "float", "bool"):
            return f"~{kind.name}"
        if kind.name == "scalar":  # a NumPy number: its dtype takes part in the promotion
            return self.scalars.dtype(node)
        if kind.known:
            raise NotElementwise(f"`{ast.unparse(node)}` is not proven to be a number")
        lifted.unproven.append(self.model.source.segment(node))
        lifted.doubts.append(f"`{ast.unparse(node)}` is not proven to be a number")
        return None

    def _variable(self, node: ast.Name, axes: tuple[Axis, ...], lifted: Lifted) -> str | None:
        for number, axis in enumerate(axes):
            if node.id == axis.index:
                lifted.counters.add(number)
                lifted.replacements[node] = self._numbers(node, axis, number, len(axes))
                lifted.rests.append(0)
                return "index"
            for name, array in axis.elements:
                if node.id == name:
                    return self._read(node, array, (Place(number),), axes, lifted)
            for temporary in axis.temporaries:
                if node.id == temporary.name:
                    return temporary.into(lifted, node)
        raise NotElementwise(f"`{node.id}` is not an element")

    def _numbers(self, node: ast.Name, axis: Axis, number: int, count: int) -> str:
        """The counter as an array."""
        spelled, _ = self.model.names.spell("numpy.arange", node)
        first = "" if not axis.start else f"{axis.start}, "
        text = f"{spelled}({first}{self._stop_text(axis)})"
        missing = count - number - 1
        return f"{text}[:{', None' * missing}]" if missing else text

    def _stop_text(self, axis: Axis, offset: int = 0) -> str:
        """How the end of a loop, or what lies some steps from it, is written."""
        if axis.count is None:
            text = f"len({self.model.source.segment(axis.elements[0][1])})"
            return text if not offset else f"{text} {'+' if offset > 0 else '-'} {abs(offset)}"
        node, total = axis.count, offset
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return str(node.value + offset)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)) and offset:
            if isinstance(node.right, ast.Constant) and type(node.right.value) is int:
                total += node.right.value if isinstance(node.op, ast.Add) else -node.right.value
                node = node.left
        text = self.model.source.segment(node)
        return text if not total else f"{text} {'+' if total > 0 else '-'} {abs(total)}"

    def _element(self, node: ast.Subscript, axes: tuple[Axis, ...], lifted: Lifted, gather: bool) -> str | None:
        root, indices = peeled(node)
        names = _names(axes)
        if _mentions(root, names):
            raise NotElementwise(f"`{ast.unparse(root)}` is another array in each round")
        kind = self.model.kinds.of(root)
        if not kind.is_a(NDARRAY) or kind.dtype == "object":
            raise NotElementwise(f"`{ast.unparse(root)}` is not proven to be an array")
        if gather and len(indices) == 1 and not self._is_place(indices[0], axes):
            return self._gathered(node, root, indices[0], axes, lifted)
        pattern = tuple(self.position(index, axes) for index in indices)
        places = [part.axis for part in pattern if isinstance(part, Place)]
        if len(set(places)) != len(places):
            raise NotElementwise("a diagonal is no slice")
        return self._read(node, root, pattern, axes, lifted)

    def _gathered(
        self, node: ast.Subscript, root: ast.expr, index: ast.expr, axes: tuple[Axis, ...], lifted: Lifted
    ) -> str | None:
        """``a[order[i]]`` is ``a[order]``."""
        inner = self.lift(index, axes)
        self._check_index(inner)
        lifted.obstacles += inner.obstacles
        lifted.doubts += inner.doubts
        lifted.rests += inner.rests
        lifted.replacements.update(inner.replacements)
        lifted.operands += inner.operands
        lifted.operands.append(Operand(root, self.model.lengths.identity(root), (), gathered=True))
        ndim = self.model.lengths.dimensions(root)
        lifted.rests.append(None if ndim is None else ndim - 1)
        return self.model.kinds.of(root).dtype

    def _read(
        self, node: ast.expr, root: ast.expr, pattern: tuple[Place | str, ...], axes: tuple[Axis, ...], lifted: Lifted
    ) -> str | None:
        lifted.operands.append(Operand(root, self.model.lengths.identity(root), pattern))
        ndim = self.model.lengths.dimensions(root)
        rest = None if ndim is None else ndim - len(pattern)
        if rest is not None and rest < 0:
            raise NotElementwise("the array has fewer dimensions")
        lifted.rests.append(rest)
        if rest != 0 and len(axes) > 1:
            raise NotElementwise("the number of dimensions is not proven")
        places = [part.axis for part in pattern if isinstance(part, Place)]
        slices = self.slices(root, pattern, axes, lifted.doubts)
        text = self.model.source.segment(root)
        if not isinstance(root, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
            text = f"({text})"
        if places != sorted(places):
            if len(places) != 2:
                raise NotElementwise("the dimensions stand in another order")
            plain = all(part == ":" for part in slices)
            text = f"{text}.T" if plain and len(slices) == 2 else f"{text}[{', '.join(slices)}].T"
        else:
            missing = [number for number in range(len(axes)) if number not in places and number > min(places)]
            if missing and len(places) == 1:
                slices += ["None"] * len(missing)
            elif missing:
                raise NotElementwise("the dimensions cannot be lined up")
            if any(part != ":" for part in slices):
                while len(slices) > 1 and slices[-1] == ":":
                    slices.pop()
                text = f"{text}[{', '.join(slices)}]"
        if isinstance(root, ast.Call) and any(other.array is root for other in lifted.operands[:-1]):
            lifted.obstacles.append(f"`{ast.unparse(root)}` would be computed more than once")
        lifted.replacements[node] = text
        return self.model.kinds.of(root).dtype

    def slices(
        self, root: ast.expr, pattern: tuple[Place | str, ...], axes: tuple[Axis, ...], doubts: list[str]
    ) -> list[str]:
        """The slices of an array that the rounds together go through, one for each index of a pattern."""
        slices: list[str] = []
        for position, part in enumerate(pattern):
            if isinstance(part, Place):
                slices.append(self._slice(root, position, part, axes[part.axis], doubts))
                continue
            slices.append(part)
            length = self.model.lengths.axis(root, position)
            inside = length is not None and length.base is None and part.isdigit() and int(part) < length.offset
            if not inside and not self.runs(axes):
                doubts.append(f"there may be no `{part}` where there are no rounds")
        return slices

    def _slice(self, root: ast.expr, position: int, place: Place, axis: Axis, doubts: list[str]) -> str:
        """The slice of one dimension of an array that the rounds of a loop go through."""
        begin = axis.start + place.offset
        if begin < 0:
            raise NotElementwise("an index below zero wraps around")
        first = str(begin) if begin else ""
        own = self.model.lengths.axis(root, position)
        if any(array is root for _, array in axis.elements):
            return ":"
        end = None if axis.stop is None else axis.stop.plus(place.offset)
        if own is not None and end is not None and own.base == end.base:
            behind = end.offset - own.offset
            if behind > 0:
                raise NotElementwise("the loop runs beyond the end of an array")
            if behind == 0:
                return f"{first}:"
            return f"{first}:{behind}"
        if axis.uneven:
            return ":"
        if end is None or not end.at_least_zero:
            doubts.append("the number of rounds is not proven to be positive")
        return f"{first}:{self._stop_text(axis, place.offset)}"

    def _is_place(self, index: ast.expr, axes: tuple[Axis, ...]) -> bool:
        try:
            return isinstance(self.position(index, axes), Place)
        except NotElementwise:
            return False

    def position(self, index: ast.expr, axes: tuple[Axis, ...]) -> Place | str:
        """A dimension of a subscript: a counter and a constant, or an index that is the same in all rounds."""
        names = _names(axes)
        if not _mentions(index, names):
            if self.model.kinds.of(index).name in ("int", "scalar") or isinstance(index, (ast.Name, ast.Constant)):
                if isinstance(index, ast.Constant) and type(index.value) is not int:
                    raise NotElementwise("the index is no number")
                if self.model.kinds.of(index).name not in ("int", "scalar", "unknown"):
                    raise NotElementwise("the index is no number")
                return self.model.source.segment(index)
            raise NotElementwise("the index is not proven to be a number")
        offset, node = 0, index
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            left, right = node.left, node.right
            if isinstance(left, ast.Constant) and isinstance(node.op, ast.Add):
                left, right = right, left
            if isinstance(right, ast.Constant) and type(right.value) is int:
                offset = right.value if isinstance(node.op, ast.Add) else -right.value
                node = left
        if isinstance(node, ast.Name):
            for number, axis in enumerate(axes):
                if axis.index == node.id:
                    return Place(number, offset)
        raise NotElementwise("the index is not the counter of the loop")

    def _call(self, node: ast.Call, axes: tuple[Axis, ...], lifted: Lifted, gather: bool) -> str | None:
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args) or not node.args:
            raise NotElementwise(f"`{ast.unparse(node)}` is given more than numbers")
        dotted = self.model.names.dotted(node.func)
        if dotted is None:
            raise NotElementwise(f"nothing is known of what `{ast.unparse(node.func)}` does")
        root, _, last = dotted.rpartition(".")
        function: str | None = last
        if root == "math" and last in MATH:
            function = MATH[last].rpartition(".")[2]
            lifted.replacements[node.func] = self.model.names.spell(MATH[last], node)[0]
            lifted.doubts.append(f"`math.{last}` raises where `np.{function}` gives NaN")
        elif dotted in _BUILTINS:
            wanted = _BUILTINS[dotted]
            if wanted is not None:
                if len(node.args) != 2:
                    raise NotElementwise(f"`{dotted}` is given more than two numbers")
                lifted.replacements[node.func] = self.model.names.spell(wanted, node)[0]
                lifted.doubts.append(f"`{dotted}` and `{wanted}` differ for NaN")
                function = wanted.rpartition(".")[2]
        elif not (root == "numpy" and last in _ELEMENTWISE) and dotted != "scipy.special.expit":
            raise NotElementwise(f"nothing is known of what `{ast.unparse(node.func)}` does")
        lifted.operations += 1
        if function in _INEXACT_CALLS:
            lifted.doubts.append("powers of an array and of a number may differ in the last digit")
        given = [self._visit(argument, axes, lifted, gather) for argument in node.args]
        if not (self.scalars_as_arrays or set(given) <= dtypes.ALIKE_IN_ALL_VERSIONS):
            lifted.doubts.append("the dtypes are not proven")
        result = dtypes.called(function or "", given)
        if result is None:
            lifted.doubts.append("the dtypes are not proven")
        if function in ("fmax", "fmin") and result not in dtypes.INTEGERS:
            lifted.doubts.append(EITHER_ZERO)
        return result


_ROUND_ERRORS = frozenset(
    {"ZeroDivisionError", "FloatingPointError", "IndexError", "OverflowError", "ArithmeticError", "ValueError"}
)


def _may_raise(node: ast.AST) -> bool:
    """Whether computing a part of an expression can fail: an index, a division, the maximum of nothing."""
    if isinstance(node, ast.BinOp):
        divides = isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod, ast.LShift, ast.RShift))
        constant = isinstance(node.right, ast.Constant) and bool(node.right.value)
        return (divides and not constant) or isinstance(node.op, ast.Pow)
    if isinstance(node, ast.Call):
        func = node.func
        word = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        root = func.value.id if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) else ""
        return root == "math" or word in ("max", "min", "amax", "amin", "ptp", "float", "int", "round")
    return isinstance(node, ast.Subscript) and not (
        isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
    )


def _names(axes: Iterable[Axis]) -> frozenset[str]:
    return frozenset[str]().union(*(axis.names for axis in axes))


def _mentions(node: ast.AST, names: frozenset[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))
