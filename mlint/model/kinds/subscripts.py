"""What subscripts give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from mlint.model.kinds.iteration import element
from mlint.model.kinds.value import (
    DATAFRAME,
    GROUPBY,
    INDEX,
    INT,
    JAX_ARRAY,
    JAX_KEY,
    NDARRAY,
    SCALAR,
    SERIES,
    STR,
    TENSOR,
    TF_TENSOR,
    UNKNOWN,
    Kind,
    join,
)

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds


def subscript(kinds: Kinds, node: ast.Subscript) -> Kind:
    """The kind of ``value[slice]``."""
    receiver = kinds.of(node.value)
    if receiver.alternatives:
        return join([_of_kind(kinds, one, node) for one in receiver.alternatives])
    return _of_kind(kinds, receiver, node)


def _of_kind(kinds: Kinds, receiver: Kind, node: ast.Subscript) -> Kind:
    index = node.slice
    name = receiver.name
    if name in ("list", "tuple", "iterable"):
        return _of_sequence(kinds, receiver, index)
    if name == "dict":
        return receiver.elements[0] if receiver.elements else UNKNOWN
    if receiver.is_a(NDARRAY):
        return of_array(kinds, receiver, index)
    if receiver.is_a(TENSOR, JAX_ARRAY, TF_TENSOR):
        return receiver._replace(ndim=_dimensions_left(kinds, index, receiver.ndim))
    if receiver.is_a(DATAFRAME, SERIES) or name in (GROUPBY, INDEX) or name.startswith(("pandas.", "cudf.")):
        from mlint.model.kinds import frames

        return frames.subscript(kinds, receiver, node)
    if name in ("torch.Size", "str"):
        if isinstance(index, ast.Slice):
            return receiver
        return INT if name == "torch.Size" else STR
    if name in ("torch.nn.Sequential", "torch.nn.ModuleList"):
        return receiver if isinstance(index, ast.Slice) else element(receiver)
    if name == "jax.random.keys":
        return receiver if isinstance(index, ast.Slice) else Kind(JAX_KEY) if kinds.of(index).name == "int" else UNKNOWN
    if name == "jax.at":
        return Kind("jax.at")
    if name.startswith("polars."):
        from mlint.model.kinds import polars_frames

        return polars_frames.subscript(kinds, receiver, index)
    if name.startswith("dask."):
        from mlint.model.kinds import dask_collections

        return dask_collections.subscript(kinds, receiver, node)
    return UNKNOWN


def _of_sequence(kinds: Kinds, receiver: Kind, index: ast.expr) -> Kind:
    elements = receiver.elements
    if isinstance(index, ast.Slice):
        if receiver.name == "tuple":
            return Kind("iterable", elements=elements[:1]) if len(set(elements)) == 1 else Kind("tuple")
        return receiver if len(elements) <= 1 else Kind("list")
    if not elements:
        return UNKNOWN
    if receiver.name != "tuple" and len(elements) == 1:
        return elements[0]
    position = _whole_number(index)
    if position is None:
        return join(elements)
    return elements[position] if -len(elements) <= position < len(elements) else UNKNOWN


def _whole_number(node: ast.expr) -> int | None:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return sign * node.value
    return None


def of_array(kinds: Kinds, receiver: Kind, index: ast.expr) -> Kind:
    """The kind of a subscript of an array of NumPy."""
    ndim = _dimensions_left(kinds, index, receiver.ndim)
    if ndim == 0:
        return SCALAR
    if ndim is not None:
        return receiver._replace(ndim=ndim)
    if receiver.dtype == "object":
        return UNKNOWN
    parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
    if any(isinstance(part, (ast.Slice, ast.List)) or _selects(kinds, part) for part in parts):
        return receiver._replace(ndim=None)
    if receiver.ndim is not None and receiver.ndim > sum(not _is_new_axis(part) for part in parts):
        return receiver._replace(ndim=None)
    return join([receiver._replace(ndim=None), SCALAR])


def _is_new_axis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or node.value is ...)


def _selects(kinds: Kinds, node: ast.expr) -> bool:
    """Whether an index is itself an array, which gives an array."""
    if _is_new_axis(node):
        return True
    kind = kinds.of(node)
    return kind.is_a(NDARRAY, SERIES, "list") and kind.ndim != 0


def _dimensions_left(kinds: Kinds, index: ast.expr, ndim: int | None) -> int | None:
    """Dimensions that are left after indexing."""
    if ndim is None:
        return None
    parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
    left = ndim
    for part in parts:
        if isinstance(part, ast.Slice):
            continue
        if isinstance(part, ast.Constant) and part.value is None:
            left += 1
        elif isinstance(part, ast.Constant) and part.value is ...:
            continue
        else:
            kind = kinds.of(part)
            if kind.name in ("int", "scalar"):
                left -= 1
            elif kind.is_a(NDARRAY) and len(parts) == 1:
                if kind.dtype == "bool":
                    return left - kind.ndim + 1 if kind.ndim is not None else None
                return None if kind.ndim is None or kind.dtype is None else left - 1 + kind.ndim
            else:
                return None
    return left if left >= 0 else None
