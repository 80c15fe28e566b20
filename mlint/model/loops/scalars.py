"""The numbers in the rounds of a loop: their dtypes, whether integers stay small, which calls may be made once."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import NDARRAY
from mlint.model.libraries.numpy_ import UFUNCS
from mlint.model.loops import dtypes
from mlint.model.loops.described import NotElementwise, peeled

if TYPE_CHECKING:
    from mlint.model.file import FileModel

REDUCTIONS = frozenset("sum prod mean std var min max amin amax median ptp".split())
CONSTANTS = frozenset({"numpy.pi", "numpy.e", "numpy.inf", "numpy.nan", "math.pi", "math.e", "math.inf", "math.nan"})
_SMALL = 1 << 20


class Scalars:
    """The numbers of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model

    def dtype(self, node: ast.expr) -> str | None:
        """The dtype of a number, as far as its making shows it."""
        kind = self.model.kinds.of(node)
        if kind.name in ("int", "float", "bool"):
            return f"~{kind.name}"
        if isinstance(node, ast.Name):
            binding = self.model.lengths.binding(node)
            made = binding is not None and binding.how == "assign" and not binding.path and binding.value is not None
            return self.dtype(binding.value) if made else None  # type: ignore[union-attr,arg-type]
        if isinstance(node, ast.BinOp):
            return dtypes.combined(self.dtype(node.left), self.dtype(node.right), node.op)
        if isinstance(node, ast.UnaryOp):
            return self.dtype(node.operand)
        if isinstance(node, ast.Subscript):
            return self.model.kinds.of(peeled(node)[0]).dtype
        if isinstance(node, ast.Call):
            return self._called_dtype(node)
        known = isinstance(node, ast.Attribute) and self.model.names.dotted(node) in CONSTANTS
        return "~float" if known else None

    def _called_dtype(self, node: ast.Call) -> str | None:
        dotted = self.model.names.dotted(node.func)
        if dotted is None and isinstance(node.func, ast.Attribute):
            array, last = node.func.value, node.func.attr
        elif dotted is not None and node.args:
            array, last = node.args[0], dotted.rpartition(".")[2]
        else:
            return None
        if not self.model.kinds.is_a(array, NDARRAY):
            return dtypes.called(last, [self.dtype(array)]) if len(node.args) == 1 and last in UFUNCS else None
        dtype = self.model.kinds.of(array).dtype
        if last in ("max", "min", "amax", "amin", "ptp"):
            return dtype
        if last in ("mean", "std", "var", "median") and dtype == "int64":
            return "float64"
        if last in ("sum", "prod") and dtype == "int64":
            return dtype
        return dtype if dtype in ("float32", "float64") and last in REDUCTIONS else None

    def check_pure(self, call: ast.Call) -> None:
        """Whether a call may be made once instead of in every round."""
        dotted = self.model.names.dotted(call.func)
        if dotted in ("len", "abs", "float", "int", "min", "max", "round"):
            return
        if dotted is not None and dotted.startswith(("numpy.", "math.")) and not dotted.startswith("numpy.random"):
            last = dotted.rpartition(".")[2]
            if last in UFUNCS or last in REDUCTIONS or dotted.startswith("math."):
                return
        if dotted is None and isinstance(call.func, ast.Attribute) and call.func.attr in REDUCTIONS:
            if self.model.kinds.is_a(call.func.value, NDARRAY):
                return
        raise NotElementwise(f"nothing is known of what `{ast.unparse(call.func)}` does")

    def stays_small(self, node: ast.BinOp, counters: frozenset[str]) -> bool:
        """Whether an operation on counters fits into int64; of rounds there are no more than an array has elements."""
        counted = [isinstance(side, ast.Name) and side.id in counters for side in (node.left, node.right)]
        small = [self._is_small(side) for side in (node.left, node.right)]
        if isinstance(node.op, ast.Mult):
            constant = [isinstance(side, ast.Constant) for side in (node.left, node.right)]
            return all(counted) or (any(counted) and any(constant) and all(small))
        return all(small) and isinstance(node.op, (ast.Add, ast.Sub, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.RShift))

    def _is_small(self, node: ast.expr) -> bool:
        """Whether an operand is far from the limits of int64; operations in it have been looked at already."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, int) and abs(node.value) <= _SMALL
        if isinstance(node, (ast.BinOp, ast.UnaryOp)):
            return True
        length = self.model.lengths.of(node)
        if length is not None:
            return length.base[0] == "axis" if length.base is not None else abs(length.offset) <= _SMALL
        return isinstance(node, ast.Name) and any(b.how == "for" for b in self.model.reaching.of(node) or ())
