"""What functions and methods of PyTorch give: with dimensions where they are plain to see."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds import arrays
from mlint.model.kinds.value import INT, TENSOR, UNKNOWN, Kind, iterable

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

PAIRS = frozenset("max min median mode sort topk kthvalue cummax cummin nanmedian aminmax".split())
"""Functions that give values together with their places, if they are told along which dimension to look."""

_SAME_SHAPE = frozenset(
    "to cuda cpu float double half long int detach clone contiguous relu sigmoid tanh exp log sqrt abs requires_grad_ "
    "softmax log_softmax clamp".split()
)


def function(kinds: Kinds, node: ast.Call, name: str, kind: Kind) -> Kind:
    """A function of PyTorch: with dimensions where they are plain to see."""
    last = name.rpartition(".")[2]
    if last in PAIRS and name.startswith("torch.") and name.count(".") == 1:
        return _pair(kinds, node, last, node.args[1:])
    if last == "nonzero" and arrays.argument(node, "as_tuple") is not None:
        return _nonzero(node)
    if last in ("unique", "unique_consecutive"):
        return UNKNOWN if len(node.args) > 1 or _asks(node, "return_inverse", "return_counts") else Kind(TENSOR, ndim=1)
    if last in ("zeros", "ones", "empty", "rand", "randn") and name.count(".") == 1 and node.args:
        if len(node.args) == 1:
            return kind._replace(ndim=arrays.dimensions(kinds, node.args[0]))
        if not any(isinstance(argument, ast.Starred) for argument in node.args):
            return kind._replace(ndim=len(node.args))
    if last in ("arange", "linspace", "randperm") and name.count(".") == 1:
        return kind._replace(ndim=1)
    return kind


def method(kinds: Kinds, node: ast.Call, receiver: Kind, name: str, kind: Kind) -> Kind:
    """A method of a tensor."""
    if name in PAIRS:
        return _pair(kinds, node, name, node.args)
    if name == "size" and (node.args or node.keywords):
        return INT
    if name == "nonzero" and arrays.argument(node, "as_tuple") is not None:
        return _nonzero(node)
    if name == "unique" and (node.args or _asks(node, "return_inverse", "return_counts")):
        return UNKNOWN
    if name == "numpy":
        return kind._replace(ndim=receiver.ndim)
    if name in _SAME_SHAPE and kind.is_a(TENSOR):
        return kind._replace(ndim=receiver.ndim)
    if name == "flatten" and not node.args and not node.keywords:
        return kind._replace(ndim=1)
    return kind


def _nonzero(node: ast.Call) -> Kind:
    flag = arrays.argument(node, "as_tuple")
    if not isinstance(flag, ast.Constant):
        return UNKNOWN
    return iterable(Kind(TENSOR)) if flag.value else Kind(TENSOR, ndim=2)


def _pair(kinds: Kinds, node: ast.Call, last: str, arguments: list[ast.expr]) -> Kind:
    one = Kind(TENSOR)
    pair = Kind("tuple", elements=(one, one))
    if last in ("topk", "kthvalue", "sort", "mode", "cummax", "cummin", "aminmax"):
        return pair
    if any(keyword.arg in ("dim", "axis", "keepdim") for keyword in node.keywords):
        return pair
    if not arguments:
        return one
    given = kinds.of(arguments[0])
    if given.is_a(TENSOR):
        return one  # the greater of two tensors
    return pair if given.name == "int" else UNKNOWN


def _asks(node: ast.Call, *names: str) -> bool:
    return any(keyword.arg in names for keyword in node.keywords)
