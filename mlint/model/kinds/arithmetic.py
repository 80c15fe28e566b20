"""What operators give."""

from __future__ import annotations

import ast

from mlint.model.kinds.value import (
    BOOL,
    DATAFRAME,
    FLOAT,
    INDEX,
    INT,
    JAX_ARRAY,
    NDARRAY,
    NUMBERS,
    SCALAR,
    SERIES,
    STR,
    TENSOR,
    TF_TENSOR,
    UNKNOWN,
    Kind,
    join,
)

FLOATS = ("float16", "float32", "float64")
_FAMILIES = (TENSOR, JAX_ARRAY, TF_TENSOR, "keras.KerasTensor", DATAFRAME, SERIES)


def arithmetic(left: Kind, right: Kind, op: ast.operator) -> Kind:
    """The kind of ``left op right``."""
    if left.name == "never" or right.name == "never":
        return right if left.name == "never" else left
    if left.alternatives or right.alternatives:
        lefts, rights = left.alternatives or (left,), right.alternatives or (right,)
        return join([arithmetic(one, other, op) for one in lefts for other in rights])
    for family in _FAMILIES:
        if left.is_a(family) or right.is_a(family):
            return _of_family(family, left, right, op)
    if left.name.startswith("polars.") or right.name.startswith("polars."):
        from mlint.model.kinds import polars_frames

        return polars_frames.operated(left, right)
    if left.name.startswith("dask.") or right.name.startswith("dask."):
        from mlint.model.kinds import dask_collections

        return dask_collections.operated(left, right, op)
    if left.is_a(NDARRAY) or right.is_a(NDARRAY):
        return _of_arrays(left, right, op)
    return _of_builtins(left, right, op)


def _of_family(family: str, left: Kind, right: Kind, op: ast.operator) -> Kind:
    own, other = (left, right) if left.is_a(family) else (right, left)
    if family in (DATAFRAME, SERIES) and isinstance(op, ast.MatMult):
        return UNKNOWN
    if family == SERIES and other.name == INDEX:
        return UNKNOWN
    if other.name in ("list", "tuple", "str") and family not in (DATAFRAME, SERIES):
        return UNKNOWN  # `[0] * n` repeats a list, also where n is a tensor
    if other.name in NUMBERS:
        return Kind(family, ndim=own.ndim)
    if isinstance(op, ast.MatMult):
        return Kind(family, ndim=_product_dimensions(left.ndim, right.ndim))
    return Kind(family, ndim=_broadcast(left.ndim, right.ndim) if other.is_a(family) else None)


def _broadcast(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else max(first, second)


def _product_dimensions(first: int | None, second: int | None) -> int | None:
    """Dimensions of ``a @ b``."""
    if first is None or second is None or not first or not second:
        return None
    return max(first, second, 2) - (first == 1) - (second == 1)


def product(left: Kind, right: Kind) -> Kind:
    """The kind of a matrix product of arrays of NumPy."""
    ndim = _product_dimensions(left.ndim, right.ndim)
    if ndim is not None:
        return SCALAR if ndim == 0 else Kind(NDARRAY, ndim=ndim)
    if (left.ndim or 0) > 1 or (right.ndim or 0) > 1:
        return Kind(NDARRAY)
    return join([Kind(NDARRAY), SCALAR])


def _of_arrays(left: Kind, right: Kind, op: ast.operator) -> Kind:
    both = left.is_a(NDARRAY) and right.is_a(NDARRAY)
    array, other = (left, right) if left.is_a(NDARRAY) else (right, left)
    if isinstance(op, ast.MatMult):
        return product(left, right) if both else UNKNOWN
    if other.name == INDEX:
        return other
    if not both and other.name not in (*NUMBERS, "list", "tuple"):
        return UNKNOWN  # a frame, a tensor or a sparse matrix would decide what comes out
    ndim = array.ndim if not both else _broadcast(left.ndim, right.ndim)
    if not both and other.name in ("list", "tuple"):
        ndim = None
    dtype: str | None = None
    if both and left.dtype == right.dtype:
        dtype = left.dtype
    elif not both and array.dtype is not None:
        if other.name == "int" or (other.name == "float" and array.dtype in FLOATS):
            dtype = array.dtype
        elif other.name == "float":
            dtype = "float64"
    if isinstance(op, ast.Div) and dtype is not None and dtype not in FLOATS:
        dtype = "float64"
    if dtype == "bool" and not isinstance(op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
        dtype = None
    return Kind(NDARRAY, ndim=ndim, dtype=dtype)


def _of_builtins(left: Kind, right: Kind, op: ast.operator) -> Kind:
    names = {left.name, right.name}
    if names <= {"int", "bool"}:
        if names == {"bool"} and isinstance(op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
            return BOOL
        return FLOAT if isinstance(op, ast.Div) else SCALAR if isinstance(op, ast.Pow) else INT
    if names <= {"int", "float", "bool"}:
        return SCALAR if isinstance(op, ast.Pow) else FLOAT
    if names <= NUMBERS:
        return SCALAR
    if left.name == "str" and isinstance(op, (ast.Mod, ast.Add)):
        return STR
    if left.name == right.name == "list" and isinstance(op, ast.Add):
        return left if left.elements == right.elements else Kind("list")
    if left.name == "list" and isinstance(op, ast.Mult) and len(left.elements) <= 1:
        return left
    if left.name == right.name == "tuple" and isinstance(op, ast.Add) and left.elements and right.elements:
        return Kind("tuple", elements=(*left.elements, *right.elements))
    if names == {INDEX} or (INDEX in names and names <= {INDEX, "str", *NUMBERS}):
        return Kind(INDEX)
    return UNKNOWN


def comparison(left: Kind, right: Kind) -> Kind:
    """The kind of ``left < right`` and the like."""
    if left.alternatives or right.alternatives:
        return join(
            [comparison(one, other) for one in left.alternatives or (left,) for other in right.alternatives or (right,)]
        )
    for kind, other in ((left, right), (right, left)):
        if kind.is_a(NDARRAY, SERIES, DATAFRAME) and other.name in ("str", "None", "list"):
            return Kind(kind.name, ndim=kind.ndim)._replace(dtype=None if kind.is_a(DATAFRAME) else "bool")
        if kind.name == INDEX and (other.name in ("str", NDARRAY, INDEX) or other.name in NUMBERS):
            return Kind(NDARRAY, dtype="bool")
    if left.name.startswith("dask.") or right.name.startswith("dask."):
        from mlint.model.kinds import dask_collections

        return dask_collections.compared(left, right)
    kind = arithmetic(left, right, ast.Add())
    if kind.name in NUMBERS or kind.name in ("str", "list", "tuple"):
        return BOOL if kind.name != "scalar" else SCALAR
    if not kind.known or kind.alternatives or kind.name == INDEX:
        return UNKNOWN
    if kind.name.startswith("polars.") or kind.is_a(DATAFRAME, "keras.KerasTensor"):
        return kind
    return kind._replace(dtype="bool")
