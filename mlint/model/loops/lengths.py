"""How long arrays are: what can be proven equal without running the program.

A length is a base that equals only itself (the rows of one array, one integer variable) plus a constant. Two
expressions of equal base and constant are the same number wherever their bindings are the same ones, because the length
of an ndarray never changes while a name is bound to it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mlint.model.kinds import NDARRAY
from mlint.model.libraries.numpy_ import UFUNCS
from mlint.model.names import Binding
from mlint.model.tree import walk_scope

if TYPE_CHECKING:
    from mlint.model.file import FileModel

Base: TypeAlias = tuple[object, ...]

_DEPTH = 12
_SHAPED = frozenset({"zeros", "ones", "empty", "full"})
_SAME_SHAPE = UFUNCS - {"where", "interp", "clip"} | frozenset(
    "zeros_like ones_like empty_like full_like copy array asarray asanyarray ascontiguousarray sort argsort cumsum "
    "nan_to_num clip".split()
)
_SAME_SHAPE_METHODS = frozenset("copy astype clip conj conjugate round argsort".split())
_SPACED = frozenset({"linspace", "logspace", "geomspace"})


class Length(NamedTuple):
    """A number of elements.

    Attributes:
        base: what it counts; None for a plain number.
        offset: what is added to that.
    """

    base: Base | None
    offset: int = 0

    @property
    def at_least_zero(self) -> bool:
        """Whether it is certainly not negative."""
        return self.offset >= 0 and (self.base is None or self.base[0] == "axis")

    def plus(self, number: int) -> Length:
        """The length with a constant added."""
        return self._replace(offset=self.offset + number)


class Lengths:
    """The lengths and dimensions of the arrays of one file."""

    def __init__(self, model: FileModel) -> None:
        self.model = model
        self._stored: dict[ast.AST, frozenset[str]] = {}
        self._unpacked: dict[ast.AST, dict[str, list[tuple[ast.Name, int]]]] = {}

    # Numbers

    def of(self, node: ast.expr | None, depth: int = 0) -> Length | None:
        """The number that an integer expression is; None where nothing can be said."""
        if node is None or depth > _DEPTH:
            return None
        if isinstance(node, ast.Constant):
            return Length(None, node.value) if type(node.value) is int else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            return self._sum(node, depth)
        if isinstance(node, ast.Call):
            if self.model.names.dotted(node.func) == "len" and len(node.args) == 1 and not node.keywords:
                return self.axis(node.args[0], 0, depth + 1)
            return None
        shape = _shape_axis(node)
        if shape is not None:
            return self.axis(shape[0], shape[1], depth + 1)
        if isinstance(node, ast.Attribute) and node.attr == "size" and self.dimensions(node.value) == 1:
            return self.axis(node.value, 0, depth + 1)
        if isinstance(node, ast.Name):
            return self._named(node, depth)
        key = self.identity(node)
        return None if key is None else Length(("value", *key))

    def _sum(self, node: ast.BinOp, depth: int) -> Length | None:
        left, right = self.of(node.left, depth + 1), self.of(node.right, depth + 1)
        if left is None or right is None:
            return None
        if right.base is None:
            return left.plus(right.offset if isinstance(node.op, ast.Add) else -right.offset)
        if left.base is None and isinstance(node.op, ast.Add):
            return right.plus(left.offset)
        return None

    def _named(self, node: ast.Name, depth: int) -> Length | None:
        binding = self.binding(node)
        if binding is None:
            return None
        if binding.how == "assign" and binding.value is not None:
            found: Length | None = None
            if not binding.path:
                found = self.of(binding.value, depth + 1)
            elif len(binding.path) == 1 and binding.path[0] >= 0:  # n, m = x.shape
                value = binding.value
                if isinstance(value, ast.Attribute) and value.attr == "shape":
                    found = self.axis(value.value, binding.path[0], depth + 1)
                elif isinstance(value, ast.Tuple) and binding.path[0] < len(value.elts):
                    found = self.of(value.elts[binding.path[0]], depth + 1)
            if found is not None:
                return found
        return Length(("value", binding))

    # Arrays

    def axis(self, node: ast.expr | None, number: int, depth: int = 0) -> Length | None:
        """The length of one dimension of an array."""
        if node is None or depth > _DEPTH:
            return None
        made = self._made(node, number, depth)
        if made is not None:
            return made
        key = self.identity(node)
        return None if key is None else Length(("axis", number, *key))

    def _made(self, node: ast.expr, number: int, depth: int) -> Length | None:
        """The length that the expression which made an array shows."""
        if isinstance(node, ast.Name):
            binding = self.binding(node)
            if binding is not None and binding.how == "assign" and not binding.path:
                value = binding.value
                if isinstance(value, (ast.Name, ast.Attribute, ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare)):
                    return self.axis(value, number, depth + 1)
                if isinstance(value, (ast.Subscript, ast.List, ast.Tuple)):
                    return self._made(value, number, depth + 1)
            return None
        if isinstance(node, (ast.List, ast.Tuple)):
            plain = number == 0 and not any(isinstance(element, ast.Starred) for element in node.elts)
            return Length(None, len(node.elts)) if plain else None
        if isinstance(node, ast.Call):
            return self._called(node, number, depth)
        if isinstance(node, ast.UnaryOp):
            return self.axis(node.operand, number, depth + 1)
        if isinstance(node, (ast.BinOp, ast.Compare)):
            return self._operands(node, number, depth)
        if isinstance(node, ast.Attribute) and node.attr == "T" and self.dimensions(node.value) == 2:
            return self.axis(node.value, 1 - number, depth + 1)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, number, depth)
        return None

    def _called(self, node: ast.Call, number: int, depth: int) -> Length | None:
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            return None
        dotted = self.model.names.dotted(node.func)
        first = node.args[0] if node.args else None
        size = next((k.value for k in node.keywords if k.arg in ("size", "shape")), None)
        if dotted is None:
            if isinstance(node.func, ast.Attribute) and self.model.kinds.is_a(node.func.value, NDARRAY):
                if node.func.attr in _SAME_SHAPE_METHODS:
                    return self.axis(node.func.value, number, depth + 1)
            if size is not None and self.model.kinds.is_a(node, NDARRAY):
                return self._shape(size, number, depth)
            return None
        last = dotted.rpartition(".")[2]
        if dotted.startswith("numpy.random."):
            if last in ("rand", "randn") and number < len(node.args):
                return self.of(node.args[number], depth + 1)
            if last in ("random", "random_sample", "permutation") and first is not None and size is None:
                return self._shape(first, number, depth) if self.model.kinds.of(first).name != NDARRAY else None
            return None if size is None else self._shape(size, number, depth)
        if not dotted.startswith("numpy."):
            return None
        if last in _SHAPED:
            return self._shape(first if first is not None else size, number, depth)
        if last == "arange" and len(node.args) == 1 and number == 0:
            length = self.of(first, depth + 1)
            return length if length is not None and length.at_least_zero else None
        if last in _SPACED and number == 0:
            count = (
                node.args[2] if len(node.args) > 2 else next((k.value for k in node.keywords if k.arg == "num"), None)
            )
            return Length(None, 50) if count is None else self.of(count, depth + 1)
        if last in ("eye", "identity") and len(node.args) == 1:
            return self.of(first, depth + 1)
        if last in _SAME_SHAPE and first is not None and not any(k.arg in ("axis", "ndmin") for k in node.keywords):
            lengths = {self.axis(operand, number, depth + 1) for operand in self._shaping(node.args, last)}
            return lengths.pop() if len(lengths) == 1 else None
        return None

    def _shaping(self, arguments: list[ast.expr], name: str) -> list[ast.expr]:
        """The arguments of a function that give its result its shape."""
        if name not in UFUNCS or len(arguments) == 1:
            return arguments[:1]
        return [argument for argument in arguments if not self.is_scalar(argument)]

    def _operands(self, node: ast.BinOp | ast.Compare, number: int, depth: int) -> Length | None:
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.MatMult):
                return None
            operands = [node.left, node.right]
        else:
            operands = [node.left, *node.comparators]
        arrays = [operand for operand in operands if not self.is_scalar(operand)]
        if not arrays or not all(self.model.kinds.is_a(array, NDARRAY) for array in arrays):
            return None
        if len(arrays) > 1 and len({self.dimensions(array) for array in arrays}) != 1:
            return None
        lengths = {self.axis(array, number, depth + 1) for array in arrays}
        return lengths.pop() if len(lengths) == 1 else None

    def is_scalar(self, node: ast.expr) -> bool:
        """Whether an expression is certainly one number."""
        return self.model.kinds.of(node).name in ("int", "float", "bool", "scalar", "complex")

    def _shape(self, shape: ast.expr | None, number: int, depth: int) -> Length | None:
        """A dimension of a shape argument."""
        if isinstance(shape, (ast.Tuple, ast.List)):
            return self.of(shape.elts[number], depth + 1) if number < len(shape.elts) else None
        if isinstance(shape, ast.Attribute) and shape.attr == "shape":
            return self.axis(shape.value, number, depth + 1)
        if isinstance(shape, ast.Name):
            binding = self.binding(shape)
            if binding is not None and binding.how == "assign" and not binding.path:
                if isinstance(binding.value, (ast.Tuple, ast.List, ast.Attribute)):
                    return self._shape(binding.value, number, depth + 1)
        if number == 0 and self.model.kinds.of(shape).name in ("int", "unknown", "scalar"):
            return self.of(shape, depth + 1)
        return None

    def _subscript(self, node: ast.Subscript, number: int, depth: int) -> Length | None:
        """``x[:, 3]`` has the rows of x; ``x[2]`` the columns of x as rows."""
        parts = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        left = number
        for position, part in enumerate(parts):
            if isinstance(part, ast.Slice):
                if left == 0:
                    whole = part.lower is None and part.upper is None and part.step is None
                    return self.axis(node.value, position, depth + 1) if whole else None
                left -= 1
            elif self.model.kinds.of(part).name not in ("int", "scalar"):
                return None
        return self.axis(node.value, len(parts) + left, depth + 1)

    def dimensions(self, node: ast.expr) -> int | None:
        """The number of dimensions of an array: its kind's, or what unpacking its shape proves."""
        kind = self.model.kinds.of(node)
        if kind.ndim is not None:
            return kind.ndim
        if not isinstance(node, ast.Name):
            return None
        binding = self.binding(node)
        if binding is None:
            return None
        if binding.how == "assign" and not binding.path and self._made_of_counted(binding.value, node):
            return 1
        for name, count in self._unpackings(self.model.tree.scope(node)).get(node.id, ()):
            if self.binding(name) is binding:
                return count
        return None

    def _made_of_counted(self, value: ast.expr | None, mention: ast.Name) -> bool:
        """Whether an array is ``np.zeros(n)``, mentioned in a loop over ``range(n - 1)``: n is then no tuple."""
        if not isinstance(value, ast.Call) or not value.args or not isinstance(value.args[0], ast.Name):
            return False
        dotted = self.model.names.dotted(value.func) or ""
        if not dotted.startswith("numpy.") or dotted.removeprefix("numpy.") not in _SHAPED:
            return False
        size = self.identity(value.args[0])
        return size is not None and any(
            isinstance(loop, ast.For)
            and isinstance(loop.iter, ast.Call)
            and self.model.names.dotted(loop.iter.func) == "range"
            and any(self.identity(given) == size for part in loop.iter.args for given in _added(part))
            for loop in self.model.tree.ancestors(mention)
        )

    def _unpackings(self, scope: ast.AST) -> dict[str, list[tuple[ast.Name, int]]]:
        """Array → the places in a scope that unpack its shape, with the number of targets."""
        found = self._unpacked.get(scope)
        if found is None:
            found = self._unpacked[scope] = {}
            for bindings in self.model.names.bindings(scope).values():
                for binding in bindings:
                    value, node = binding.value, binding.node
                    if binding.path != (0,) or not isinstance(value, ast.Attribute) or value.attr != "shape":
                        continue
                    if isinstance(value.value, ast.Name) and isinstance(node, ast.Assign):
                        target = node.targets[0]
                        if isinstance(target, (ast.Tuple, ast.List)):
                            if not any(isinstance(element, ast.Starred) for element in target.elts):
                                found.setdefault(value.value.id, []).append((value.value, len(target.elts)))
        return found

    # What a name is bound to

    def binding(self, name: ast.Name) -> Binding | None:
        """The one binding that gives a name its value at a place, if it surely ran in the same round of every loop.

        A binding in a branch, or in a loop that the read is not in, may be left over from another round.
        """
        bindings = self.model.reaching.of(name)
        if bindings is None or len(bindings) != 1:
            return None
        found = bindings[0]
        if found.how in ("augment", "except", "delete", "global", "nonlocal", "star", "match"):
            return None
        if found.how in ("parameter", "variadic", "import", "function", "class"):
            return found
        parent = self.model.tree.parent(found.node)
        if isinstance(found.node, ast.comprehension):
            return found  # which nothing but the comprehension reads
        if found.how == "for":
            return found if any(a is found.node for a in self.model.tree.ancestors(name)) else None
        return found if any(ancestor is parent for ancestor in self.model.tree.ancestors(name)) else None

    def identity(self, node: ast.expr) -> Base | None:
        """A key that two expressions share only if they are the same object; None where that cannot be known."""
        if isinstance(node, ast.Name):
            binding = self.binding(node)
            if binding is None:
                return None
            value = binding.value
            if binding.how == "assign" and not binding.path and isinstance(value, ast.Name) and value.id != node.id:
                return self.identity(value)
            return (binding,)
        if isinstance(node, ast.Attribute):
            root = self.identity(node.value)
            if root is None or node.attr in self._stores(node):
                return None
            return (*root, node.attr)
        return None

    def _stores(self, node: ast.expr) -> frozenset[str]:
        """The attributes that the function around a node assigns to."""
        function: ast.AST = self.model.tree.function(node) or self.model.tree.module
        found = self._stored.get(function)
        if found is None:
            found = self._stored[function] = frozenset(
                inner.attr
                for inner in walk_scope(function)
                if isinstance(inner, ast.Attribute) and not isinstance(inner.ctx, ast.Load)
            )
        return found


def _added(node: ast.expr) -> Iterator[ast.expr]:
    """The parts of a sum."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield from _added(node.left)
        yield from _added(node.right)
    else:
        yield node


def _shape_axis(node: ast.expr) -> tuple[ast.expr, int] | None:
    """``x.shape[1]`` is (x, 1)."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "shape":
        number = node.slice
        if isinstance(number, ast.Constant) and type(number.value) is int and number.value >= 0:
            return node.value.value, number.value
    return None
