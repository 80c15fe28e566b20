"""What calls, subscripts and operators give: kinds, with dimensions and dtypes where they are plain to see."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from mlint.model import libraries

if TYPE_CHECKING:
    from mlint.model.kinds import Kind, Kinds

_FLOATS = ("float16", "float32", "float64")
_ORDER = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex128")
_DTYPE_NAMES = {
    "float": "float64",
    "int": "int64",
    "bool": "bool",
    "object": "object",
    "numpy.object_": "object",
    "numpy.float_": "float64",
    "numpy.double": "float64",
    "numpy.single": "float32",
    "numpy.half": "float16",
    "numpy.int_": "int64",
    "numpy.intp": "int64",
    "numpy.bool_": "bool",
    "torch.float": "float32",
    "torch.double": "float64",
    "torch.half": "float16",
    "torch.long": "int64",
    "torch.int": "int32",
}
_STRINGS = {
    "f4": "float32",
    "f8": "float64",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "float": "float64",
    "int": "int64",
    "O": "object",
}


def parse(spec: str, receiver: Kind | None = None) -> Kind:
    """The kind that a text of the tables names."""
    from mlint.model.kinds import UNKNOWN, Kind

    spec = spec.strip()
    if spec == "same":
        return UNKNOWN if receiver is None else receiver
    if spec.startswith(("tuple[", "list[")):
        head, inner = spec[:-1].split("[", 1)
        parts = [part.strip() for part in inner.split(",")] if head == "tuple" and inner.count("[") == 0 else [inner]
        if head == "tuple" and parts[-1] == "...":
            return Kind("list", elements=(parse(parts[0], receiver),))
        return Kind(head, elements=tuple(parse(part, receiver) for part in parts))
    # An instance of a class of a library is all that its bases make of it.
    return Kind(spec, frozenset(libraries.families(spec) or ()) - {spec})


def result(kinds: Kinds, spec: str, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    """The kind of a call whose entry in the tables is ``spec``."""
    from mlint.model.kinds import NDARRAY, SCALAR, UNKNOWN, Kind

    if spec == "list[same-as-arguments]":  # train_test_split: two parts of each array
        parts: list[Kind] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                return UNKNOWN
            kind = kinds.of(argument)
            parts += [kind, kind]
        return Kind("tuple", elements=tuple(parts))
    if spec == "same-as-argument":
        return kinds.of(node.args[0]) if node.args else UNKNOWN
    if spec == "pandas.concat-result":
        return _concatenated(kinds, node)
    if spec == "numpy.ufunc-result":
        return _ufunc(kinds, node, name)
    if spec == "numpy.reduction":
        return _reduction(kinds, node, receiver, name)
    if spec == "numpy.product":
        return _product(kinds, node, receiver)
    if spec == "numpy.draw":
        size = _argument(node, "size")
        if size is None:
            size = _last_positional_size(node, name)
        if size is None:
            return SCALAR
        return Kind(NDARRAY, ndim=_dimensions(kinds, size), dtype=_drawn_dtype(name))
    if spec == NDARRAY:
        return _array(kinds, node, receiver, name)
    kind = parse(spec, receiver)
    if spec == "same" and receiver is not None and receiver.is_a(NDARRAY):
        if name == "astype":
            return replace(receiver, dtype=dtype_of(kinds, node.args[0] if node.args else _argument(node, "dtype")))
        if name in ("cumsum", "cumprod") and not node.args and not node.keywords:
            return replace(receiver, dtype=receiver.dtype if receiver.dtype in (*_FLOATS, "int64") else None)
        if name in ("cumsum", "cumprod", "view"):
            return replace(receiver, dtype=None)
        return receiver
    if kind.is_a("torch.Tensor"):
        return _tensor(kinds, node, receiver, name, kind)
    if kind.is_a("pandas.DataFrame", "pandas.Series") and _is_true(_argument(node, "inplace")):
        return Kind("None")
    if kind.is_a("pandas.DataFrame") and _argument(node, "squeeze") is not None:
        return UNKNOWN
    if name == "pandas.read_csv" and (_argument(node, "chunksize") or _argument(node, "iterator")):
        return UNKNOWN
    return kind


def _concatenated(kinds: Kinds, node: ast.Call) -> Kind:
    from mlint.model.kinds import DATAFRAME, SERIES, UNKNOWN, Kind

    if not node.args or not isinstance(node.args[0], (ast.List, ast.Tuple)):
        return UNKNOWN
    parts = [kinds.of(part) for part in node.args[0].elts]
    if any(part.is_a(DATAFRAME) for part in parts):
        return Kind(DATAFRAME)
    if parts and all(part.is_a(SERIES) for part in parts):
        axis = _argument(node, "axis")
        return Kind(DATAFRAME) if isinstance(axis, ast.Constant) and axis.value == 1 else Kind(SERIES)
    return UNKNOWN


def _ufunc(kinds: Kinds, node: ast.Call, name: str) -> Kind:
    """An elementwise function: an array if an operand is one, a frame for a frame."""
    from mlint.model.kinds import DATAFRAME, NDARRAY, SCALAR, SERIES, UNKNOWN

    operands = [kinds.of(argument) for argument in node.args]
    if not operands or any(not operand.known for operand in operands):
        arrays = [operand for operand in operands if operand.is_a(NDARRAY)]
        return replace(arrays[0], ndim=None, dtype=None) if arrays else UNKNOWN
    for family in (DATAFRAME, SERIES):
        for operand in operands:
            if operand.is_a(family):
                return operand
    arrays = [operand for operand in operands if operand.is_a(NDARRAY)]
    if not arrays:
        return SCALAR if all(operand.name in ("int", "float", "bool", "scalar") for operand in operands) else UNKNOWN
    dimensions = [operand.ndim for operand in arrays]
    ndim = None if None in dimensions else max(d for d in dimensions if d is not None)
    last = name.rpartition(".")[2]
    if (
        last.startswith("is")
        or last in ("greater", "less", "equal", "not_equal", "greater_equal", "less_equal")
        or "logical" in last
    ):
        return replace(arrays[0], ndim=ndim, dtype="bool")
    dtype = arrays[0].dtype if all(operand.dtype == arrays[0].dtype for operand in arrays) else None
    if (
        dtype is not None
        and dtype not in _FLOATS
        and last not in ("abs", "absolute", "negative", "maximum", "minimum", "where")
    ):
        dtype = None
    return replace(arrays[0], ndim=ndim, dtype=dtype)


def _reduction(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    from mlint.model.kinds import DATAFRAME, NDARRAY, SCALAR, SERIES, UNKNOWN, Kind

    operand = receiver if receiver is not None else (kinds.of(node.args[0]) if node.args else UNKNOWN)
    positional = node.args if receiver is not None else node.args[1:]
    if operand.is_a(DATAFRAME, SERIES, "torch.Tensor"):
        return UNKNOWN
    axis = _argument(node, "axis") or (positional[0] if positional else None)
    if _argument(node, "keepdims") is not None:
        return Kind(NDARRAY)
    if axis is None or (isinstance(axis, ast.Constant) and axis.value is None):
        return SCALAR if operand.is_a(NDARRAY) or name.startswith("numpy.") else UNKNOWN
    if operand.is_a(NDARRAY) and operand.ndim is not None and isinstance(axis, (ast.Constant, ast.UnaryOp)):
        return SCALAR if operand.ndim == 1 else Kind(NDARRAY, ndim=operand.ndim - 1)
    return UNKNOWN


def _product(kinds: Kinds, node: ast.Call, receiver: Kind | None) -> Kind:
    from mlint.model.kinds import NDARRAY, UNKNOWN, Kind

    operands = [*([receiver] if receiver is not None else []), *(kinds.of(argument) for argument in node.args)]
    arrays = [operand for operand in operands if operand.is_a(NDARRAY)]
    if len(arrays) == 2 and all(array.ndim is not None for array in arrays):
        ndim = (arrays[0].ndim or 0) + (arrays[1].ndim or 0) - 2
        return Kind("scalar") if ndim == 0 else Kind(NDARRAY, ndim=ndim)
    return UNKNOWN


_SHAPED = frozenset({"zeros", "ones", "empty", "full"})
_LIKE = frozenset(
    {
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "copy",
        "sort",
        "flip",
        "roll",
        "asarray",
        "array",
        "ascontiguousarray",
    }
)


def _array(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    """A function of NumPy that returns an array: its dimensions and dtype."""
    from mlint.model.kinds import NDARRAY, Kind

    last = name.rpartition(".")[2]
    first = node.args[0] if node.args else None
    dtype = dtype_of(kinds, _argument(node, "dtype"))
    explicit = _argument(node, "dtype") is not None
    ndim: int | None = None
    if last in _SHAPED:
        ndim = _dimensions(kinds, first if first is not None else _argument(node, "shape"))
        position = {"full": 2}.get(last, 1)
        if not explicit and len(node.args) > position:
            dtype = dtype_of(kinds, node.args[position])
        elif not explicit and last != "full":
            dtype = "float64"
        elif not explicit and len(node.args) > 1:
            dtype = {"int": "int64", "float": "float64", "bool": "bool"}.get(kinds.of(node.args[1]).name)
    elif last in _LIKE and first is not None:
        source = kinds.of(first)
        if source.is_a(NDARRAY):
            ndim, dtype = source.ndim, dtype if explicit else source.dtype
        elif source.name in ("list", "tuple") or isinstance(first, (ast.List, ast.Tuple)):
            ndim, inner = _nesting(kinds, first, source)
            dtype = dtype if explicit else inner
        if len(node.args) > 1:
            dtype = dtype_of(kinds, node.args[1])
    elif last == "arange":
        ndim = 1
        if not explicit:
            parts = {kinds.of(argument).name for argument in node.args}
            dtype = (
                "int64" if parts <= {"int"} else ("float64" if "float" in parts and parts <= {"int", "float"} else None)
            )
    elif last in ("linspace", "logspace", "geomspace"):
        ndim = 1 if len(node.args) <= 3 else None
        dtype = dtype if explicit else "float64"
    elif last in ("ravel", "flatten", "flatnonzero", "bincount"):
        ndim = 1
        dtype = receiver.dtype if receiver is not None else None
    elif last in ("rand", "randn") and node.args and not any(isinstance(a, ast.Starred) for a in node.args):
        return Kind(NDARRAY, ndim=len(node.args), dtype="float64")
    elif last in ("rand", "randn"):
        return Kind("scalar")
    elif last in ("random_sample", "ranf", "sample"):
        if first is None and _argument(node, "size") is None:
            return Kind("scalar")
        return Kind(NDARRAY, ndim=_dimensions(kinds, first or _argument(node, "size")), dtype="float64")
    elif last in ("eye", "identity"):
        ndim, dtype = 2, dtype if explicit else "float64"
    elif last == "reshape":
        arguments = node.args if receiver is not None else node.args[1:]
        if len(arguments) == 1:
            ndim = _dimensions(kinds, arguments[0])
        elif arguments and not any(isinstance(a, ast.Starred) for a in arguments):
            ndim = len(arguments)
        reshaped = receiver if receiver is not None else kinds.of(first)
        dtype = reshaped.dtype if reshaped.is_a(NDARRAY) else None
    elif last in ("transpose", "swapaxes") and receiver is not None:
        ndim, dtype = receiver.ndim, receiver.dtype
    elif last == "argsort" and receiver is not None:
        ndim, dtype = receiver.ndim, "int64"
    elif (
        last in ("concatenate", "hstack", "append", "cumsum", "cumprod", "sort", "argsort", "permutation")
        and first is not None
    ):
        source = kinds.of(first)
        if source.is_a(NDARRAY) and last in ("cumsum", "cumprod", "sort", "argsort"):
            ndim = source.ndim
            dtype = "int64" if last == "argsort" else (source.dtype if source.dtype in (*_FLOATS, "int64") else None)
        elif last == "permutation":
            ndim = 1 if source.name == "int" else (source.ndim if source.is_a(NDARRAY) else None)
            dtype = "int64" if source.name == "int" else source.dtype
    return Kind(NDARRAY, ndim=ndim, dtype=dtype)


def _nesting(kinds: Kinds, node: ast.expr, kind: Kind) -> tuple[int | None, str | None]:
    """Dimensions and dtype of a nested display of numbers."""
    if isinstance(node, (ast.List, ast.Tuple)):
        if not node.elts:
            return 1, "float64"
        inner = [_nesting(kinds, element, kinds.of(element)) for element in node.elts]
        if any(part[0] is None for part in inner) or len({part[0] for part in inner}) != 1:
            return None, None
        dtypes = {part[1] for part in inner}
        dtype: str | None = None
        if None not in dtypes:
            dtype = max((d for d in dtypes if d is not None), key=_ORDER.index)
        return (inner[0][0] or 0) + 1, dtype
    if kind.name in ("int", "float", "bool"):
        return 0, {"int": "int64", "float": "float64", "bool": "bool"}[kind.name]
    if kind.name == "list" and kind.elements and kind.elements[0].name in ("int", "float", "bool"):
        return 1, {"int": "int64", "float": "float64", "bool": "bool"}[kind.elements[0].name]
    return None, None


def _tensor(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str, kind: Kind) -> Kind:
    """Dimensions of a tensor where a constructor shows them."""
    last = name.rpartition(".")[2]
    if last in ("zeros", "ones", "empty", "rand", "randn") and receiver is None and node.args:
        if len(node.args) == 1:
            return replace(kind, ndim=_dimensions(kinds, node.args[0]))
        if not any(isinstance(argument, ast.Starred) for argument in node.args):
            return replace(kind, ndim=len(node.args))
    if last in ("arange", "linspace", "randperm") and receiver is None:
        return replace(kind, ndim=1)
    if receiver is not None and last in (
        "to",
        "cuda",
        "cpu",
        "float",
        "double",
        "half",
        "long",
        "int",
        "detach",
        "clone",
        "contiguous",
    ):
        return replace(kind, ndim=receiver.ndim)
    if last in ("flatten",) and not node.args and receiver is not None:
        return replace(kind, ndim=1)
    if receiver is not None and last == "max" and node.args:
        return parse("unknown")
    return kind


def _dimensions(kinds: Kinds, shape: ast.expr | None) -> int | None:
    """The number of dimensions that a shape argument asks for."""
    if shape is None:
        return None
    if isinstance(shape, (ast.Tuple, ast.List)):
        return None if any(isinstance(element, ast.Starred) for element in shape.elts) else len(shape.elts)
    kind = kinds.of(shape)
    if kind.name == "int":
        return 1
    if kind.name == "tuple" and kind.elements:
        return len(kind.elements)
    if isinstance(shape, ast.Attribute) and shape.attr == "shape":
        return kinds.of(shape.value).ndim
    return None


def dtype_of(kinds: Kinds, node: ast.expr | None) -> str | None:
    """The dtype that an argument names."""
    if node is None:
        return None
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _STRINGS.get(node.value, node.value if node.value in _ORDER or node.value == "object" else None)
    dotted = kinds.names.dotted(node)
    if dotted is None:
        return None
    known = _DTYPE_NAMES.get(dotted)
    if known is not None:
        return known
    last = dotted.rpartition(".")[2]
    return last if last in _ORDER else None


def _drawn_dtype(name: str) -> str | None:
    last = name.rpartition(".")[2]
    if last in ("randint", "integers", "random_integers", "binomial", "poisson", "geometric", "zipf"):
        return "int64"
    return None if last == "choice" else "float64"


_SIZE_POSITION = {
    "random": 0, "standard_normal": 0, "standard_exponential": 0, "standard_cauchy": 0, "choice": 1, "poisson": 1,
    "exponential": 1, "geometric": 1, "chisquare": 1, "zipf": 1, "weibull": 1, "standard_gamma": 1,
    "normal": 2, "uniform": 2, "randint": 2, "integers": 2, "random_integers": 2, "binomial": 2, "beta": 2, "gamma": 2,
    "lognormal": 2, "laplace": 2, "logistic": 2, "gumbel": 2, "vonmises": 2, "triangular": 3,
}  # fmt: skip


def _last_positional_size(node: ast.Call, name: str) -> ast.expr | None:
    position = _SIZE_POSITION.get(name.rpartition(".")[2])
    if position is None or len(node.args) <= position:
        return None
    return node.args[position]


def subscript(kinds: Kinds, node: ast.Subscript) -> Kind:
    """The kind of ``value[slice]``."""
    from mlint.model.kinds import DATAFRAME, INT, NDARRAY, SCALAR, SERIES, STR, UNKNOWN, Kind

    receiver = kinds.of(node.value)
    index = node.slice
    if receiver.is_a(DATAFRAME):
        if isinstance(index, ast.Constant) and isinstance(index.value, str):
            return Kind(SERIES)
        if isinstance(index, (ast.List, ast.ListComp, ast.Slice, ast.Compare)):
            return Kind(DATAFRAME)
        if isinstance(index, ast.BinOp) and isinstance(index.op, (ast.BitAnd, ast.BitOr)):
            return Kind(DATAFRAME)  # masks combined
        if kinds.of(index).is_a(SERIES, DATAFRAME) or (
            kinds.of(index).is_a(NDARRAY) and kinds.of(index).dtype == "bool"
        ):
            return Kind(DATAFRAME)
        if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.Invert):
            return Kind(DATAFRAME)
        if kinds.of(index).name == "str":
            return Kind(SERIES)
        return UNKNOWN
    if receiver.name == "cudf.DataFrame":
        return Kind("cudf.Series") if isinstance(index, ast.Constant) else UNKNOWN
    if receiver.is_a(SERIES):
        if isinstance(index, ast.Slice) or kinds.of(index).is_a(SERIES, NDARRAY):
            return Kind(SERIES)
        return UNKNOWN
    if receiver.name == "pandas.GroupBy":
        return receiver
    if receiver.name == "pandas.indexer":
        return _indexed(kinds, node)
    if receiver.is_a("torch.Tensor", "jax.Array", "tensorflow.Tensor"):
        return replace(receiver, ndim=_indexed_dimensions(kinds, index, receiver.ndim))
    if receiver.is_a(NDARRAY):
        ndim = _indexed_dimensions(kinds, index, receiver.ndim)
        if ndim == 0:
            return SCALAR
        plain_slices = isinstance(index, ast.Slice) or (
            isinstance(index, ast.Tuple) and any(isinstance(e, ast.Slice) for e in index.elts)
        )
        if ndim is None and not plain_slices and not kinds.of(index).is_a(NDARRAY):
            return UNKNOWN if receiver.ndim is None else replace(receiver, ndim=None)
        return replace(receiver, ndim=ndim)
    if receiver.name in ("list", "tuple"):
        if isinstance(index, ast.Slice):
            return receiver if receiver.name == "list" else Kind("list")
        if receiver.name == "tuple" and isinstance(index, ast.Constant) and isinstance(index.value, int):
            if -len(receiver.elements) <= index.value < len(receiver.elements):
                return receiver.elements[index.value]
            return UNKNOWN
        return receiver.elements[0] if receiver.name == "list" and receiver.elements else UNKNOWN
    if receiver.name == "torch.Size":
        return INT if not isinstance(index, ast.Slice) else receiver
    if receiver.name == "str":
        return STR
    return UNKNOWN


def _indexed(kinds: Kinds, node: ast.Subscript) -> Kind:
    """``df.loc[...]`` and ``df.iloc[...]``."""
    from mlint.model.kinds import DATAFRAME, SERIES, UNKNOWN, Kind

    frame = kinds.of(node.value.value) if isinstance(node.value, ast.Attribute) else UNKNOWN
    if frame.is_a(SERIES):
        return Kind(SERIES) if isinstance(node.slice, (ast.Slice, ast.Compare)) else UNKNOWN
    if not frame.is_a(DATAFRAME):
        return UNKNOWN
    index = node.slice
    if isinstance(index, ast.Tuple) and len(index.elts) == 2:
        rows, columns = index.elts
        many_rows = isinstance(rows, (ast.Slice, ast.Compare, ast.List, ast.BinOp)) or kinds.of(rows).is_a(
            SERIES, "numpy.ndarray"
        )
        if many_rows and isinstance(columns, (ast.Slice, ast.List)):
            return Kind(DATAFRAME)
        if many_rows and isinstance(columns, ast.Constant):
            return Kind(SERIES)
        return UNKNOWN
    if isinstance(index, (ast.Slice, ast.List, ast.Compare)) or kinds.of(index).is_a(SERIES):
        return Kind(DATAFRAME)
    return UNKNOWN


def _indexed_dimensions(kinds: Kinds, index: ast.expr, ndim: int | None) -> int | None:
    """Dimensions that are left after indexing."""
    from mlint.model.kinds import NDARRAY

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
        elif kinds.of(part).name in ("int", "scalar") or _is_loop_index(kinds, part):
            left -= 1
        elif kinds.of(part).is_a(NDARRAY) and len(parts) == 1:
            inner = kinds.of(part)
            if inner.dtype == "bool":
                return left - (inner.ndim or 1) + 1 if inner.ndim is not None else None
            return None if inner.ndim is None else left - 1 + inner.ndim
        else:
            return None
    return left if left >= 0 else None


def _is_loop_index(kinds: Kinds, node: ast.expr) -> bool:
    """``i``, ``i + 1``: whole numbers that a loop counts."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)):
        return all(kinds.of(part).name == "int" for part in (node.left, node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return kinds.of(node.operand).name == "int"
    return False


def arithmetic(left: Kind, right: Kind, op: ast.operator) -> Kind:
    """The kind of ``left op right``."""
    from mlint.model.kinds import (
        DATAFRAME,
        FLOAT,
        INT,
        JAX_ARRAY,
        NDARRAY,
        SCALAR,
        SERIES,
        STR,
        TENSOR,
        TF_TENSOR,
        UNKNOWN,
        Kind,
    )

    if left.name == "never" or right.name == "never":
        other = right if left.name == "never" else left
        return other
    for family in (TENSOR, JAX_ARRAY, TF_TENSOR, DATAFRAME, SERIES):
        if left.is_a(family) or right.is_a(family):
            other = right if left.is_a(family) else left
            if family == SERIES and other.is_a(DATAFRAME):
                continue
            if other.name in ("int", "float", "bool", "scalar"):
                return Kind(family, ndim=left.ndim if left.is_a(family) else right.ndim)
            return Kind(family, ndim=left.ndim if left.ndim == right.ndim else None)
    if left.is_a(NDARRAY) or right.is_a(NDARRAY):
        return _array_arithmetic(left, right, op)
    names = {left.name, right.name}
    if names <= {"int", "bool"} and not isinstance(op, (ast.Div, ast.Pow)):
        return INT
    if names <= {"int", "bool"} and isinstance(op, ast.Pow):
        return SCALAR  # `2**62` is an int, `2**-1` a float
    if names <= {"int", "float", "bool"}:
        return FLOAT
    if names <= {"int", "float", "bool", "scalar"}:
        return SCALAR
    if "str" in names and isinstance(op, (ast.Mod, ast.Add)) and left.name == "str":
        return STR
    if left.name == right.name == "list" and isinstance(op, ast.Add):
        return left if left.elements == right.elements else Kind("list")
    if left.name == "list" and isinstance(op, ast.Mult):
        return left
    if left.name == right.name == "tuple" and isinstance(op, ast.Add) and left.elements and right.elements:
        return Kind("tuple", elements=(*left.elements, *right.elements))
    return UNKNOWN


def _array_arithmetic(left: Kind, right: Kind, op: ast.operator) -> Kind:
    from mlint.model.kinds import NDARRAY, UNKNOWN, Kind

    both = left.is_a(NDARRAY) and right.is_a(NDARRAY)
    array, other = (left, right) if left.is_a(NDARRAY) else (right, left)
    if isinstance(op, ast.MatMult):
        return UNKNOWN
    if not both and other.name not in ("int", "float", "bool", "scalar", "list", "tuple"):
        return UNKNOWN  # a frame, a tensor or a sparse matrix would decide what comes out
    ndim = (
        array.ndim if not both else (None if None in (left.ndim, right.ndim) else max(left.ndim or 0, right.ndim or 0))
    )
    dtype: str | None = None
    if both and left.dtype == right.dtype:
        dtype = left.dtype
    elif not both and array.dtype is not None:
        if other.name == "int" or (other.name == "float" and array.dtype in _FLOATS):
            dtype = array.dtype
        elif other.name == "float":
            dtype = "float64"
    if isinstance(op, ast.Div) and dtype is not None and dtype not in _FLOATS:
        dtype = "float64"
    return Kind(NDARRAY, ndim=ndim, dtype=dtype if dtype != "bool" else None)


def _argument(node: ast.Call, name: str) -> ast.expr | None:
    for keyword in node.keywords:
        if keyword.arg == name:
            return keyword.value
    return None


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
