"""What functions and methods of NumPy give: with dimensions and dtypes where they are plain to see."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlint.model.kinds import arithmetic, deferring
from mlint.model.kinds.value import (
    DATAFRAME,
    NDARRAY,
    NUMBERS,
    SCALAR,
    SERIES,
    UNKNOWN,
    Kind,
    iterable,
    join,
)

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

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



def same(kinds: Kinds, node: ast.Call, receiver: Kind, name: str) -> Kind:
    """A method of an array that gives one of the same shape."""
    if name == "astype":
        return receiver._replace(dtype=dtype_of(kinds, node.args[0] if node.args else argument(node, "dtype")))
    if name in ("clip", "round", "argpartition"):
        if name == "argpartition":
            ends = node.args[1:] or node.keywords
            return receiver._replace(ndim=None if ends else receiver.ndim, dtype="int64")
        plain = all(kinds.of(argument).name in ("int", "bool", "None") for argument in node.args) and not node.keywords
        return receiver if plain else receiver._replace(ndim=None, dtype=None)
    if name in ("cumsum", "cumprod", "view"):
        if name == "view" or node.args or node.keywords:
            return receiver._replace(ndim=None, dtype=None)
        # Without an axis the array is flattened.
        return receiver._replace(ndim=1, dtype=receiver.dtype if receiver.dtype in (*_FLOATS, "int64") else None)
    return receiver


def _ufunc(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    """An elementwise function: an array if an operand is one, a frame for a frame."""
    last = name.rpartition(".")[2]
    if last == "where" and len(node.args) == 1:
        found = iterable(Kind(NDARRAY, ndim=1, dtype="int64"))
        return found if deferring.is_converted(kinds.of(node.args[0]), last) else UNKNOWN
    count = 2 if last in _BINARY else 3 if last in ("clip", "where") else 1
    if last in ("round", "around"):
        node = ast.Call(node.func, node.args[:1], [])  # to so many decimals
    if (len(node.args) < count and last != "clip") or (len(node.args) > count and last not in _ALMOST):
        return UNKNOWN
    operands = [kinds.of(argument) for argument in node.args[:count]]
    if any(operand.name.startswith("dask.") for operand in operands):
        from mlint.model.kinds import dask_collections

        return UNKNOWN if last in _ALMOST else dask_collections.elementwise(operands)
    if len(operands) == 1 and operands[0].alternatives:
        return join([_elementwise([one], last) for one in operands[0].alternatives])
    return _elementwise(operands, last)


def _elementwise(operands: list[Kind], last: str) -> Kind:
    if last == "where" and any(operand.alternatives for operand in operands):
        return Kind(NDARRAY) if all(deferring.is_converted(operand, last) for operand in operands) else UNKNOWN
    if not operands or any(not operand.known or operand.alternatives for operand in operands):
        return UNKNOWN
    for family in (DATAFRAME, SERIES):
        for operand in operands:
            if operand.is_a(family):
                return Kind(NDARRAY) if last in _ALMOST else Kind(operand.name)
    arrays = [operand for operand in operands if operand.is_a(NDARRAY)]
    if not arrays:
        if all(operand.name in NUMBERS for operand in operands):
            return Kind(NDARRAY, ndim=0) if last in ("where", "i0") else SCALAR
        return Kind(NDARRAY) if all(operand.name in (*NUMBERS, "list", "tuple") for operand in operands) else UNKNOWN
    if any(operand.name not in (*NUMBERS, "None", "str", NDARRAY, "list", "tuple") for operand in operands):
        converted = last == "where" and all(deferring.is_converted(operand, last) for operand in operands)
        return Kind(NDARRAY) if converted else UNKNOWN
    dimensions = [operand.ndim for operand in operands if operand.name not in (*NUMBERS, "None", "str")]
    ndim = None if None in dimensions else max(d for d in dimensions if d is not None)
    if last.startswith("is") or last in _COMPARING or "logical" in last:
        return Kind(NDARRAY, ndim=ndim, dtype="bool")
    if last == "where":
        operands = operands[1:]
    dtype = arrays[0].dtype if all(operand.dtype == arrays[0].dtype for operand in operands) else None
    if dtype is not None and dtype not in _FLOATS and last not in _KEEPING_DTYPE:
        dtype = None
    return Kind(NDARRAY, ndim=ndim, dtype=dtype)


_BINARY = frozenset(
    "add subtract multiply divide true_divide floor_divide mod remainder fmod power float_power arctan2 hypot maximum "
    "minimum fmax fmin logaddexp logaddexp2 heaviside greater greater_equal less less_equal equal not_equal "
    "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift".split()
)
_ALMOST = frozenset({"angle", "i0", "imag", "interp", "nan_to_num", "real", "sinc", "where"})
"""Functions that act on each element and are no ufuncs: for an object of pandas they give an array."""
_COMPARING = frozenset({"greater", "less", "equal", "not_equal", "greater_equal", "less_equal", "signbit"})
_KEEPING_DTYPE = frozenset({"abs", "absolute", "negative", "maximum", "minimum", "where"})


def _reduction(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    operand = receiver if receiver is not None else (kinds.of(node.args[0]) if node.args else UNKNOWN)
    if name == "trace":
        return SCALAR if operand.ndim == 2 and not node.keywords else UNKNOWN
    positional = node.args if receiver is not None else node.args[1:]
    position = 1 if name == "numpy.linalg.norm" else 0
    axis = argument(node, "axis") or (positional[position] if len(positional) > position else None)
    no_axis = axis is None or _is_none(axis)
    keepdims = argument(node, "keepdims")
    if operand.alternatives:
        return SCALAR if no_axis and operand.is_a(NDARRAY, "scalar", "float", "int") else UNKNOWN
    if operand.name == SERIES and no_axis and keepdims is None:
        return SCALAR
    if operand.name not in (*NUMBERS, NDARRAY, "list", "tuple", "range"):
        return UNKNOWN
    if argument(node, "out") is not None or operand.dtype == "object":
        return UNKNOWN
    if keepdims is not None:
        true = isinstance(keepdims, ast.Constant) and keepdims.value is True
        return Kind(NDARRAY, ndim=operand.ndim) if true and operand.is_a(NDARRAY) else UNKNOWN
    if no_axis:
        if operand.name == "list" and not all(element.name in NUMBERS for element in operand.elements or (UNKNOWN,)):
            # A list of tensors makes another thing of some functions.
            plain = not operand.elements or operand.elements[0].name in (NDARRAY, "list", "tuple")
            return SCALAR if plain else UNKNOWN
        return SCALAR
    if operand.ndim is not None and isinstance(axis, (ast.Constant, ast.UnaryOp)):
        return SCALAR if operand.ndim == 1 else Kind(NDARRAY, ndim=operand.ndim - 1)
    if operand.ndim is not None and isinstance(axis, ast.Tuple):
        left = operand.ndim - len(axis.elts)
        return SCALAR if left == 0 else Kind(NDARRAY, ndim=left) if left > 0 else UNKNOWN
    return join([Kind(NDARRAY), SCALAR])


def _product(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    operands = [*([receiver] if receiver is not None else []), *(kinds.of(argument) for argument in node.args)]
    last = name.rpartition(".")[2]
    if len(operands) != 2 or not all(operand.is_a(NDARRAY) for operand in operands):
        return UNKNOWN
    if last in ("dot", "matmul"):
        return arithmetic.product(operands[0], operands[1])
    return join([Kind(NDARRAY), SCALAR])


def _draw(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    size = argument(node, "size") or _last_positional_size(node, name)
    if size is None or _is_none(size):
        if any(kinds.of(argument).name not in NUMBERS for argument in node.args if argument is not size):
            # Parameters that are arrays make draws of their shape; one of many things can be anything.
            return UNKNOWN
        return SCALAR
    if isinstance(size, ast.Name) and any(
        binding.how == "parameter" and binding.value is not None and _is_none(binding.value)
        for binding in kinds.reaching.of(size) or ()
    ):
        return UNKNOWN  # a number where nothing else is asked for
    return Kind(NDARRAY, ndim=dimensions(kinds, size), dtype=_drawn_dtype(name))


_SHAPED = frozenset({"zeros", "ones", "empty", "full"})
_LIKE = frozenset(
    {
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "copy",
        "flip",
        "roll",
        "asarray",
        "array",
        "ascontiguousarray",
    }
)


def _array(kinds: Kinds, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    """A function of NumPy that returns an array: its dimensions and dtype."""
    last = name.rpartition(".")[2]
    first = node.args[0] if node.args else None
    dtype = dtype_of(kinds, argument(node, "dtype"))
    explicit = argument(node, "dtype") is not None
    ndim: int | None = None
    if last in _SHAPED:
        ndim = dimensions(kinds, first if first is not None else argument(node, "shape"))
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
        if last == "full_like":
            if len(node.args) > 2:
                dtype = dtype_of(kinds, node.args[2])
        elif len(node.args) > 1 and last in _DTYPE_SECOND:
            dtype = dtype_of(kinds, node.args[1])
        if any(k.arg in ("axis", "ndmin", "subok") for k in node.keywords):
            ndim = None
    elif last in ("percentile", "quantile", "nanpercentile", "nanquantile"):
        if len(node.args) == 2 and not node.keywords and kinds.of(node.args[1]).name in NUMBERS:
            return UNKNOWN if not kinds.of(first).known else SCALAR
        return join([Kind(NDARRAY), SCALAR])
    elif last == "arange":
        ndim = 1
        if not explicit:
            parts = {kinds.of(argument).name for argument in node.args}
            dtype = (
                "int64" if parts <= {"int"} else ("float64" if "float" in parts and parts <= {"int", "float"} else None)
            )
    elif last in ("linspace", "logspace", "geomspace"):
        ends = [kinds.of(argument).name for argument in node.args[:2]]
        if len(ends) < 2 or len(node.args) > 3 or not NUMBERS.issuperset(ends):
            return UNKNOWN if argument(node, "retstep") is not None or len(node.args) > 4 else Kind(NDARRAY)
        if argument(node, "retstep") is not None:
            return UNKNOWN
        ndim, dtype = 1, dtype if explicit else "float64"
    elif last in ("ravel", "flatten", "flatnonzero", "bincount"):
        ndim = 1
        dtype = receiver.dtype if receiver is not None else None
    elif last in ("rand", "randn") and node.args and not any(isinstance(a, ast.Starred) for a in node.args):
        return Kind(NDARRAY, ndim=len(node.args), dtype="float64")
    elif last in ("rand", "randn"):
        return Kind("scalar")
    elif last in ("random_sample", "ranf", "sample"):
        if first is None and argument(node, "size") is None:
            return Kind("scalar")
        return Kind(NDARRAY, ndim=dimensions(kinds, first or argument(node, "size")), dtype="float64")
    elif last in ("eye", "identity"):
        position = 1 if last == "identity" else 3
        if len(node.args) > position:
            dtype = dtype_of(kinds, node.args[position])
        elif not explicit:
            dtype = "float64"
        ndim = 2
    elif last == "reshape":
        arguments = node.args if receiver is not None else node.args[1:]
        if len(arguments) == 1:
            ndim = dimensions(kinds, arguments[0])
        elif arguments and not any(isinstance(a, ast.Starred) for a in arguments):
            ndim = len(arguments)
        reshaped = receiver if receiver is not None else kinds.of(first)
        dtype = reshaped.dtype if reshaped.is_a(NDARRAY) else None
    elif last in ("transpose", "swapaxes") and receiver is not None:
        ndim, dtype = receiver.ndim, receiver.dtype
    elif last == "argsort" and receiver is not None:
        axis = node.args[0] if node.args else argument(node, "axis")
        kept = axis is None or (isinstance(axis, (ast.Constant, ast.UnaryOp)) and not _is_none(axis))
        ndim, dtype = receiver.ndim if kept else None, "int64"
    elif (
        last in ("concatenate", "hstack", "append", "cumsum", "cumprod", "sort", "argsort", "permutation")
        and first is not None
    ):
        source = kinds.of(first)
        if source.is_a(NDARRAY) and last in ("cumsum", "cumprod", "sort", "argsort"):
            ndim = source.ndim
            if len(node.args) > 1 or any(keyword.arg == "axis" for keyword in node.keywords):
                axis = node.args[1] if len(node.args) > 1 else argument(node, "axis")
                known = isinstance(axis, (ast.Constant, ast.UnaryOp)) and not _is_none(axis)
                ndim = ndim if known else 1 if axis is not None and _is_none(axis) else None
            elif last in ("cumsum", "cumprod"):
                ndim = 1  # without an axis the array is flattened
            if last == "argsort":
                dtype = "int64"
            elif not explicit:
                dtype = source.dtype if source.dtype in (*_FLOATS, "int64") else None
        elif last == "permutation":
            ndim = 1 if source.name == "int" else (source.ndim if source.is_a(NDARRAY) else None)
            dtype = "int64" if source.name == "int" else source.dtype
    return Kind(NDARRAY, ndim=ndim, dtype=dtype)


_DTYPE_SECOND = frozenset({"zeros_like", "ones_like", "empty_like", "asarray", "array", "ascontiguousarray"})


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


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


def dimensions(kinds: Kinds, shape: ast.expr | None) -> int | None:
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
    return named_dtype(dotted)


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


def named_dtype(dotted: str) -> str | None:
    """The dtype that a dotted name stands for."""
    known = _DTYPE_NAMES.get(dotted)
    if known is not None:
        return known
    last = dotted.rpartition(".")[2]
    return last if last in _ORDER else None


SPECIAL: dict[str, Callable[[Kinds, ast.Call, Kind | None, str], Kind]] = {
    "numpy.ufunc-result": _ufunc,
    "numpy.reduction": _reduction,
    "numpy.product": _product,
    "numpy.draw": _draw,
    NDARRAY: _array,
}
"""Entries of the tables that stand for different kinds, depending on the arguments."""

BY_OPERANDS = frozenset(SPECIAL) - {NDARRAY}
"""Those that look at what each operand is."""


def argument(node: ast.Call, name: str) -> ast.expr | None:
    """What a call gives for a keyword."""
    for keyword in node.keywords:
        if keyword.arg == name:
            return keyword.value
    return None

