"""What the functions of Dask give: arrays and frames, computed values, work that is put off."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlint.model import libraries
from mlint.model.kinds.dask_collections import ARRAY, COLUMN, DELAYED, FRAME, array_of, computed, elementwise, lifted
from mlint.model.kinds.value import DATAFRAME, INDEX, NDARRAY, SCALAR, SERIES, UNKNOWN, Kind, join

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds


def function(kinds: Kinds, node: ast.Call, name: str, kind: Kind) -> Kind:
    """What a function of Dask gives that gives a collection of some kind."""
    module, _, last = name.rpartition(".")
    if kind.name == FRAME and module == "dask.dataframe":
        return _frame(kinds, node, last)
    if kind.name == COLUMN:
        given = _first(kinds, node)
        return given if given.name == COLUMN else UNKNOWN
    if kind.name != ARRAY:
        return kind
    if module == "dask.array.random" or last in _CREATING:
        return array_of(_of_numpy(kinds, node, name.replace("dask.array", "numpy", 1)))
    return _of_arrays(kinds, node, last) if module == "dask.array" else kind


def drawn(kinds: Kinds, receiver: Kind, name: str, node: ast.Call) -> Kind:
    """What a method of a generator of random arrays gives."""
    last = receiver.name.rpartition(".")[2]
    spec = libraries.method(f"numpy.random.{last}", name)
    if spec is None:
        return Kind(ARRAY)
    from mlint.model.kinds import specs

    return array_of(specs.result(kinds, spec, node, Kind(f"numpy.random.{last}"), name))


_CREATING = frozenset("arange empty eye full linspace ones zeros".split())


def _of_numpy(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """What the function of NumPy with the same parameters gives."""
    from mlint.model.kinds import specs

    spec = libraries.returns(dotted)
    return UNKNOWN if spec is None else specs.result(kinds, spec, node, None, dotted)


def _of_arrays(kinds: Kinds, node: ast.Call, last: str) -> Kind:
    """What a function of arrays gives: NumPy's arrays, if that is what its arguments are made of."""
    from mlint.model.libraries import dask_

    given = [kinds.of(argument) for argument in node.args]
    if last in ("from_array", "asarray", "array", "asanyarray"):
        first = _first(kinds, node)
        return first if first.name == ARRAY else array_of(first if first.is_a(NDARRAY) else UNKNOWN)
    arrays = [kind for one in given for kind in (one, *one.elements) if kind.name == ARRAY]
    if not arrays or not all(array.elements and array.elements[0].is_a(NDARRAY) for array in arrays):
        return Kind(ARRAY)
    if last in dask_.ELEMENTWISE:
        return Kind(ARRAY, elements=(Kind(NDARRAY, ndim=arrays[0].elements[0].ndim if len(given) == 1 else None),))
    if last in dask_.JOINING or last.endswith("_like"):
        return Kind(ARRAY, elements=(Kind(NDARRAY),))
    if last in dask_.REDUCING or last in ("dot", "matmul"):
        return Kind(ARRAY, elements=(join([Kind(NDARRAY), SCALAR]),))
    return Kind(ARRAY)


def _first(kinds: Kinds, node: ast.Call) -> Kind:
    return kinds.of(node.args[0]) if node.args else UNKNOWN


def _frame(kinds: Kinds, node: ast.Call, last: str) -> Kind:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if last == "read_parquet" or last == "read_orc":
        columns = keywords.get("columns") or (node.args[1] if len(node.args) > 1 else None)
        if columns is not None and not kinds.of(columns).is_a("list", "None"):
            return UNKNOWN  # one column, perhaps
    if last in ("get_dummies", "melt", "merge", "merge_asof", "pivot_table"):
        given = [kind for argument in node.args if (kind := kinds.of(argument)).name == FRAME]
        certain = bool(given) and all(kind.elements for kind in given)
        return Kind(FRAME, elements=(Kind(DATAFRAME),) if certain else ()) if given else UNKNOWN
    return _of_backend(kinds, Kind(DATAFRAME))


def _of_backend(kinds: Kinds, eager: Kind) -> Kind:
    """The collection of what is read: of pandas, unless the file names the other backend."""
    text = kinds.names.text
    other = text is not None and "cudf" in text
    kind = lifted(eager)
    return kind._replace(elements=()) if other else kind


def _from_pandas(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    named = next((keyword.value for keyword in node.keywords if keyword.arg == "data"), None)
    given = _first(kinds, node) if node.args else kinds.of(named)
    return lifted(given) if given.is_a(DATAFRAME, SERIES, INDEX) else UNKNOWN


def _from_array(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """A frame where several columns are named: one of a single name is a series."""
    columns = next((keyword.value for keyword in node.keywords if keyword.arg == "columns"), None)
    if columns is None or not kinds.of(columns).is_a("list"):
        return UNKNOWN
    given = _first(kinds, node)
    certain = given.is_a(NDARRAY) or bool(given.name == ARRAY and given.elements)
    return Kind(FRAME, elements=(Kind(DATAFRAME),) if certain else ())


def _concatenated(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    from mlint.model.kinds import frames

    if not node.args:
        return UNKNOWN
    given = node.args[0]
    parts = [kinds.of(p) for p in given.elts] if isinstance(given, (ast.List, ast.Tuple)) else [kinds.elements(given)]
    if any(part.name == FRAME for part in parts):
        return Kind(FRAME, elements=(Kind(DATAFRAME),) if all(part.elements for part in parts) else ())
    if parts and all(part.name == COLUMN and part.elements for part in parts):
        axis = frames.argument(node, "axis")
        return Kind(COLUMN, elements=(Kind(SERIES),)) if axis is None else UNKNOWN
    return UNKNOWN


def _computed(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    """A tuple of what each argument gives."""
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        if len(node.args) == 1 and isinstance(node.args[0], ast.Starred):
            inner = computed(kinds.elements(node.args[0].value))
            return Kind("iterable", elements=(inner,)) if inner.known else UNKNOWN
        return UNKNOWN
    given = [kinds.of(argument) for argument in node.args]
    return Kind("tuple", elements=tuple(given if dotted == "dask.persist" else map(computed, given)))


def _where(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    if len(node.args) != 3 or node.keywords:
        return UNKNOWN
    operands = [kinds.of(argument) for argument in node.args]
    return elementwise(operands) if any(operand.name == ARRAY for operand in operands) else Kind(ARRAY)


def _unique(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return UNKNOWN if len(node.args) != 1 or node.keywords else Kind(ARRAY)


def _from_delayed(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    part = kinds.elements(node.args[0]) if node.args else UNKNOWN
    eager = part.elements[0] if part.name == DELAYED and part.elements else UNKNOWN
    return lifted(eager) if eager.is_a(DATAFRAME, SERIES) else UNKNOWN


def _delayed(kinds: Kinds, node: ast.Call, dotted: str) -> Kind:
    return Kind(DELAYED)


BY_NAME: dict[str, Callable[[Kinds, ast.Call, str], Kind]] = {
    "dask.compute": _computed,
    "dask.persist": _computed,
    "dask.delayed": _delayed,
    "dask.array.compute": _computed,
    "dask.array.unique": _unique,
    "dask.array.where": _where,
    "dask.dataframe.concat": _concatenated,
    "dask.dataframe.from_array": _from_array,
    "dask.dataframe.from_dask_array": _from_array,
    "dask.dataframe.from_delayed": _from_delayed,
    "dask.dataframe.from_pandas": _from_pandas,
}
"""Functions of Dask that give different kinds for different arguments."""
