"""Arrays that are repeated along a dimension: whether broadcasting would repeat them by itself.

`unit_dimensions` says which dimensions of an expression are certainly of size one (``x[:, None]``, ``keepdims=True``),
`repetition` what a call of `tile`, `repeat` and the like repeats, and how often along each dimension of its result.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from mlint.model.kinds import NDARRAY, TENSOR, TF_TENSOR

if TYPE_CHECKING:
    from mlint.model.file import FileModel

_NEW_AXES = frozenset({"numpy.newaxis", "tensorflow.newaxis"})
_EXPANDING = frozenset("numpy.expand_dims torch.unsqueeze tensorflow.expand_dims".split())
_TILING = frozenset({"numpy.tile", "torch.tile", "tensorflow.tile"})
_REPEATING = frozenset({"numpy.repeat", "torch.repeat_interleave", "tensorflow.repeat"})


class Repetition(NamedTuple):
    """A call that repeats an array.

    Attributes:
        source: the array.
        counts: how often it is repeated along each dimension of the result; None for once.
    """

    source: ast.expr
    counts: tuple[ast.expr | None, ...]


def dimensions(model: FileModel, node: ast.expr) -> int | None:
    """The number of dimensions of an array, where it is known."""
    return model.lengths.dimensions(node)


def unit_dimensions(model: FileModel, node: ast.expr, depth: int = 0) -> tuple[bool, ...] | None:
    """For each dimension of an array, whether it is certainly of size one; None where their number is not known."""
    if depth > 4:
        return None
    if isinstance(node, ast.Name):
        binding = model.lengths.binding(node)
        plain = binding is not None and binding.how == "assign" and not binding.path
        found = unit_dimensions(model, binding.value, depth + 1) if plain and binding and binding.value else None
        return found or _unknown(model, node)
    if isinstance(node, ast.Subscript):
        return _subscripted(model, node) or _unknown(model, node)
    if isinstance(node, ast.Call):
        return _called(model, node, depth) or _unknown(model, node)
    return _unknown(model, node)


def _unknown(model: FileModel, node: ast.expr) -> tuple[bool, ...] | None:
    ndim = dimensions(model, node)
    return None if ndim is None else (False,) * ndim


def _subscripted(model: FileModel, node: ast.Subscript) -> tuple[bool, ...] | None:
    ndim = dimensions(model, node.value)
    if ndim is None:
        return None
    found: list[bool] = []
    for part in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
        if (isinstance(part, ast.Constant) and part.value is None) or model.names.dotted(part) in _NEW_AXES:
            found.append(True)
        elif isinstance(part, ast.Slice):
            found.append(False)
            ndim -= 1
        else:
            return None
    return (*found, *((False,) * ndim)) if ndim >= 0 else None


def _called(model: FileModel, node: ast.Call, depth: int) -> tuple[bool, ...] | None:
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return None
    dotted = model.names.dotted(node.func)
    method = node.func.attr if dotted is None and isinstance(node.func, ast.Attribute) else ""
    receiver = node.func.value if method and isinstance(node.func, ast.Attribute) else None
    if dotted in _EXPANDING and node.args:
        receiver, given = node.args[0], node.args[1:]
    else:
        given = node.args
    if (dotted in _EXPANDING or method == "unsqueeze") and receiver is not None:
        axis = _whole([*given, *(k.value for k in node.keywords)])
        inner = unit_dimensions(model, receiver, depth + 1)
        if inner is None or axis is None or not -len(inner) - 1 <= axis <= len(inner):
            return None
        place = axis if axis >= 0 else len(inner) + 1 + axis
        return (*inner[:place], True, *inner[place:])
    if method in ("reshape", "view") and not node.keywords:
        shape = given[0].elts if len(given) == 1 and isinstance(given[0], (ast.Tuple, ast.List)) else given
        if len(shape) < 2:
            return None
        return tuple(isinstance(part, ast.Constant) and part.value == 1 for part in shape)
    keeps = {k.arg: k.value for k in node.keywords}
    kept = keeps.get("keepdims", keeps.get("keepdim"))
    if isinstance(kept, ast.Constant) and kept.value is True:
        reduced = receiver if receiver is not None else (node.args[0] if node.args else None)
        axis_node = keeps.get("axis", keeps.get("dim"))
        ndim = None if reduced is None else dimensions(model, reduced)
        axis = None if axis_node is None else _whole([axis_node])
        if ndim is None or axis is None or not -ndim <= axis < ndim:
            return None
        return tuple(number == axis % ndim for number in range(ndim))
    return None


def repetition(model: FileModel, call: ast.Call) -> Repetition | None:
    """What a call repeats, and how often; None if it is no such call, or not plain to see."""
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    dotted = model.names.dotted(call.func)
    given = list(call.args)
    if dotted is None and isinstance(call.func, ast.Attribute):
        if not model.kinds.is_a(call.func.value, NDARRAY, TENSOR, TF_TENSOR):
            return None
        given.insert(0, call.func.value)
        word = call.func.attr
        array = model.kinds.is_a(call.func.value, NDARRAY)
        tiles = word == "tile" or (word == "repeat" and not array)
        repeats = word == "repeat_interleave" or (word == "repeat" and array)
    else:
        tiles, repeats = dotted in _TILING, dotted in _REPEATING
    if tiles and len(given) >= 2 and not call.keywords:
        return _tiled(model, given[0], given[1:])
    if repeats and 2 <= len(given) <= 3:
        axes = [*given[2:], *(k.value for k in call.keywords if k.arg in ("axis", "dim"))]
        known = all(k.arg in ("axis", "dim") for k in call.keywords)
        return _repeated(model, given[0], given[1], _whole(axes)) if known else None
    return None


def _tiled(model: FileModel, source: ast.expr, given: list[ast.expr]) -> Repetition | None:
    first = given[0]
    counts = list(first.elts) if isinstance(first, (ast.Tuple, ast.List)) and len(given) == 1 else given
    units = unit_dimensions(model, source)
    if units is None or len(counts) < len(units):
        return None
    padded = (True,) * (len(counts) - len(units)) + units
    found: list[ast.expr | None] = []
    for count, unit in zip(counts, padded):
        if isinstance(count, ast.Constant) and count.value == 1:
            found.append(None)
        elif unit:
            found.append(count)
        else:
            return None
    return Repetition(source, tuple(found)) if any(found) else None


def _repeated(model: FileModel, source: ast.expr, count: ast.expr, axis: int | None) -> Repetition | None:
    units = unit_dimensions(model, source)
    if units is None or axis is None or not -len(units) <= axis < len(units) or not units[axis]:
        return None
    return Repetition(source, tuple(count if n == axis % len(units) else None for n in range(len(units))))


def _whole(nodes: list[ast.expr]) -> int | None:
    """The one number that is written."""
    if len(nodes) != 1:
        return None
    node, sign = nodes[0], 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    return sign * node.value if isinstance(node, ast.Constant) and type(node.value) is int else None
