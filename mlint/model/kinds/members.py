"""What attributes are."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlint.model import libraries
from mlint.model.kinds import classes, functions
from mlint.model.kinds.value import DATAFRAME, MODULE, NDARRAY, SERIES, TENSOR, UNKNOWN, Kind, join

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds

_TORCH_DTYPES = frozenset(
    "float32 float float64 double float16 half bfloat16 int8 int16 short int32 int int64 long uint8 bool complex64 "
    "complex128 cfloat".split()
)


def attribute(kinds: Kinds, node: ast.Attribute) -> Kind:
    """The kind of ``value.attr``."""
    dotted = kinds.names.dotted(node)
    if dotted is not None:
        root, _, name = dotted.partition(".")
        if root == "torch" and name in _TORCH_DTYPES:
            return Kind("torch.dtype")
        if dotted in ("numpy.pi", "numpy.e", "numpy.inf", "numpy.nan", "math.pi", "math.e", "math.inf"):
            return Kind("float")
        return UNKNOWN
    receiver = kinds.of(node.value)
    if receiver.alternatives:
        return join([of_kind(kinds, alternative, node.attr) for alternative in receiver.alternatives])
    return of_kind(kinds, receiver, node.attr)


def of_kind(kinds: Kinds, receiver: Kind, name: str) -> Kind:
    """The kind of an attribute of a value of some kind."""
    home = classes.home_of(kinds, receiver)
    if home is not None:
        found = _of_class(kinds, home, name)
        if found is not None:
            return found
    if name in ("values", "indices") and receiver.name == "tuple" and len(receiver.elements) == 2:
        return receiver.elements[name == "indices"]  # what `torch.max(x, dim)` gives is a named tuple
    if name in ("weight", "bias") and receiver.name.startswith("torch.nn.") and receiver.is_a(MODULE):
        return Kind(TENSOR)
    if receiver.name == "pandas.accessor":
        from mlint.model.kinds import frames

        return frames.accessed_attribute(receiver, name)
    if receiver.name.startswith("dask."):
        from mlint.model.kinds import dask_collections

        kept = dask_collections.attribute(kinds, receiver, name)
        if kept is not None:
            return kept
    if receiver.name.startswith("ray."):
        from mlint.model.kinds import ray_tasks

        kept = ray_tasks.attribute(kinds, receiver, name)
        if kept is not None:
            return kept
    spec = member(libraries.attribute, receiver, name)
    if spec is None:
        return UNKNOWN
    from mlint.model.kinds import specs

    kind = specs.parse(spec, receiver)
    if receiver.is_a(NDARRAY, TENSOR) and kind.name == receiver.name:
        if name in ("T", "mT", "data", "grad"):
            return kind._replace(ndim=receiver.ndim, dtype=receiver.dtype)
    if receiver.is_a(DATAFRAME, SERIES) and kind.name == NDARRAY:
        return kind._replace(ndim=2 if receiver.is_a(DATAFRAME) else None)
    if kind.name in ("pandas.indexer", "pandas.accessor"):
        return kind._replace(elements=(receiver,))
    return kind


def _of_class(kinds: Kinds, home: tuple[Kinds, ast.ClassDef], name: str) -> Kind | None:
    for abroad in (False, True):  # other files are read where the class's own does not settle it
        for place, method in classes.methods(*home, name, abroad=abroad):
            if isinstance(method, ast.FunctionDef) and functions.is_property(place, method):
                return classes.imported(functions.returned(place, method), place, kinds)
            return UNKNOWN
        if not abroad and classes.hopeless(*home, name):
            return UNKNOWN
    kind = classes.attribute_kind(*home, name)
    return None if kind is None else classes.imported(kind, home[0], kinds)


def member(look_up: Callable[[str, str], str | None], receiver: Kind, name: str) -> str | None:
    """What the tables say about a method or an attribute of a kind."""
    for family in (receiver.name, *sorted(receiver.families)):
        spec = look_up(family, name)
        if spec is not None:
            return spec
    return None
