"""Functions of libraries that give different kinds for different arguments, as no table can say."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlint.model.kinds import deferring, tensors
from mlint.model.kinds.inference import unpacked
from mlint.model.kinds.value import (
    INDEX,
    MODULE,
    NDARRAY,
    NUMBERS,
    SCALAR,
    SERIES,
    TENSOR,
    UNKNOWN,
    Kind,
    iterable,
    join,
)

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_KERAS_TENSOR = Kind("keras.KerasTensor")


def _first(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return kinds.of(node.args[0]) if node.args else UNKNOWN


def _tree_map(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """A tree of the same shape: of arrays for arrays, if the function makes arrays of arrays; said of dicts only."""
    return Kind("dict") if len(node.args) > 1 and kinds.of(node.args[1]).name == "dict" else UNKNOWN


def _scan(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """``carry, outputs = jax.lax.scan(step, start, inputs)``."""
    if len(node.args) < 2:
        return UNKNOWN
    step = kinds.local_function(node.args[0])
    given = kinds.returned(step) if isinstance(step, ast.FunctionDef) else UNKNOWN
    output = unpacked(given, (1,))
    start = kinds.of(node.args[1])
    carried = unpacked(given, (0,))
    carry = start if carried.name == start.name or not carried.known else UNKNOWN
    return Kind("tuple", elements=(carry, output._replace(ndim=None) if output.is_a("jax.Array") else UNKNOWN))


def _numpy_unique(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    if not deferring.is_converted(_first(kinds, node, dotted), "unique"):
        return UNKNOWN
    one = Kind(NDARRAY, ndim=None if _has(node, "axis") else 1)
    asked = [keyword for keyword in node.keywords if (keyword.arg or "").startswith("return_")]
    if len(node.args) > 1 or any(not isinstance(k.value, ast.Constant) for k in asked) or _has(node, None):
        return UNKNOWN
    count = sum(keyword.value.value is True for keyword in asked if isinstance(keyword.value, ast.Constant))
    return Kind("tuple", elements=(one, *(Kind(NDARRAY, ndim=1) for _ in range(count)))) if count else one


def _pair(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return tensors.function(kinds, node, dotted, Kind(TENSOR))


def _where(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    if len(node.args) == 1 and not node.keywords:
        return iterable(Kind(TENSOR))  # the positions, one tensor for each dimension
    if any(isinstance(argument, ast.Starred) for argument in node.args) or _has(node, None):
        return UNKNOWN
    return tensors.function(kinds, node, dotted, Kind(TENSOR))


def _softmax(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """SciPy's: an array, but a number for a number."""
    given = _first(kinds, node, dotted)
    if given.is_a(*NUMBERS):
        return SCALAR
    if given.is_a(NDARRAY):
        return Kind(NDARRAY, ndim=given.ndim)
    return Kind(NDARRAY) if given.is_a("list", "tuple", SERIES, TENSOR) else join([Kind(NDARRAY), SCALAR])


def _logsumexp(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    from mlint.model.kinds import arrays

    # With weights for each element, and with positional flags, more changes than the axis says.
    if len(node.args) > 2 or _has(node, "b", "return_sign", None):
        return UNKNOWN
    return arrays.SPECIAL["numpy.reduction"](kinds, node, None, dotted)


def _cut(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    given = _first(kinds, node, dotted)
    return Kind(SERIES) if given.is_a(SERIES) and not _has(node, "retbins", None) else UNKNOWN


def _converted(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """``pd.to_datetime(series)``."""
    given = _first(kinds, node, dotted)
    return Kind(SERIES) if given.is_a(SERIES) else Kind(INDEX) if given.name == INDEX else UNKNOWN


def _factorized(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    codes = Kind(NDARRAY, ndim=1)
    return Kind("tuple", elements=(codes, Kind(INDEX) if _first(kinds, node, dotted).is_a(SERIES) else UNKNOWN))


def _random_split(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    from mlint.model.kinds import loaders

    subset = Kind("torch.utils.data.Subset", frozenset({"torch.utils.data.Dataset"}))
    elements = loaders.samples(kinds, _first(kinds, node, dotted))
    return iterable(subset._replace(elements=elements), "list")


def _module_list(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    listed = Kind(dotted, frozenset({MODULE}))
    if dotted == "torch.nn.Sequential":
        return listed
    inner = kinds.elements(node.args[0]) if node.args else UNKNOWN
    return listed._replace(elements=(inner,)) if inner.is_a(MODULE) else listed


def _keras_input(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return _KERAS_TENSOR


def _keras_merged(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    given = kinds.elements(node.args[0]) if node.args else UNKNOWN
    return given if given.is_a(_KERAS_TENSOR.name) else UNKNOWN


def _has(node: ast.Call, *names: str | None) -> bool:
    return any(keyword.arg in names for keyword in node.keywords)


_SPECIAL = Callable[["Kinds", ast.Call, str], Kind]


def special(dotted: str) -> _SPECIAL | None:
    """What works out the kind of a call of a function by its dotted name; None where the tables tell it."""
    found = BY_NAME.get(dotted)
    if found is not None:
        return found
    root = dotted.partition(".")[0]
    if root == "polars":
        from mlint.model.kinds import polars_frames

        return polars_frames.BY_NAME.get(dotted)
    if root == "dask":
        from mlint.model.kinds import dask_functions

        return dask_functions.BY_NAME.get(dotted)
    if root == "ray":
        from mlint.model.kinds import ray_tasks

        return ray_tasks.BY_NAME.get(dotted)
    return None


BY_NAME: dict[str, Callable[[Kinds, ast.Call, str], Kind]] = {
    "optax.apply_updates": _first,
    "jax.lax.stop_gradient": _first,
    "jax.block_until_ready": _first,
    "jax.lax.scan": _scan,
    "jax.tree_util.tree_map": _tree_map,
    "jax.tree.map": _tree_map,
    "numpy.unique": _numpy_unique,
    "pandas.cut": _cut,
    "pandas.qcut": _cut,
    "pandas.to_datetime": _converted,
    "pandas.to_numeric": _converted,
    "pandas.factorize": _factorized,
    "torch.utils.data.random_split": _random_split,
    "torch.where": _where,
    "scipy.special.softmax": _softmax,
    "scipy.special.log_softmax": _softmax,
    "scipy.special.logsumexp": _logsumexp,
    "torch.nn.ModuleList": _module_list,
    "torch.nn.Sequential": _module_list,
    "keras.Input": _keras_input,
    "keras.layers.Input": _keras_input,
    **{f"keras.layers.{name}": _keras_merged for name in ("add", "concatenate", "multiply", "average", "maximum")},
    **{f"torch.{name}": _pair for name in (*sorted(tensors.PAIRS), "unique", "nonzero")},
}
