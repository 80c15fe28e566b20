"""From the tables of the libraries to kinds: what an entry stands for, for a certain call."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING

from mlint.model import libraries
from mlint.model.kinds.members import member
from mlint.model.kinds.value import (
    DATA_LOADER,
    DATAFRAME,
    NDARRAY,
    NONE,
    SERIES,
    SPLITTER,
    STR,
    TENSOR,
    UNKNOWN,
    Kind,
    iterable,
    join,
)

if TYPE_CHECKING:
    from mlint.model.kinds.inference import Kinds


def parse(spec: str, receiver: Kind | None = None) -> Kind:
    """The kind that a text of the tables names; ``same`` is the kind of the receiver."""
    if spec == "same":
        return UNKNOWN if receiver is None else receiver
    return _parsed(spec)


@functools.lru_cache(maxsize=1024)
def _parsed(spec: str) -> Kind:
    spec = spec.strip()
    parts = _split(spec, "|")
    if len(parts) > 1:
        return join([_parsed(part) for part in parts])
    if spec.endswith("]"):
        head, _, inner = spec[:-1].partition("[")
        elements = [part.strip() for part in _split(inner, ",")]
        if head == "tuple" and elements[-1] != "...":
            return Kind("tuple", elements=tuple(_parsed(element) for element in elements))
        # The tables say `list` of whatever gives such elements one after the other: tuples and generators too.
        if head == "dict":
            return iterable(_parsed(elements[-1]), "dict")
        return iterable(_parsed(elements[0]))
    if spec in ("unknown", "object", "", "same", "flax.core.FrozenDict"):
        return UNKNOWN  # Flax still promises frozen dicts where it has given plain ones for years
    families = libraries.families(spec) if "." in spec else None
    # An instance of a class of a library is all that its bases make of it.
    return Kind(spec) if families is None else Kind(spec, frozenset(families) - {spec})


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that stand in no brackets."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
        elif character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return parts


def result(kinds: Kinds, spec: str, node: ast.Call, receiver: Kind | None, name: str) -> Kind:
    """The kind of a call whose entry in the tables is ``spec``."""
    from mlint.model.kinds import arrays, frames, tensors

    if spec == "list[same-as-arguments]":  # train_test_split: two parts of each array
        parts: list[Kind] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                return Kind("list")
            kind = _part(kinds.of(argument))
            parts += [kind, kind]
        return Kind("list", elements=tuple(parts))
    if spec == "same-as-argument":
        return kinds.of(node.args[0]) if node.args else UNKNOWN
    if spec == "pandas.concat-result":
        return frames.concatenated(kinds, node)
    if receiver is None and name.startswith("numpy."):
        from mlint.model.kinds import deferring

        out = kinds.of(arrays.argument(node, "out"))
        if any(keyword.arg == "out" for keyword in node.keywords) and out.name != "None":
            return out if node.args and kinds.of(node.args[0]).is_a(NDARRAY) else UNKNOWN
        answered = deferring.answered(kinds, node, name) if spec not in arrays.BY_OPERANDS else None
        if answered is not None:
            return answered
    special = arrays.SPECIAL.get(spec)
    if special is not None:
        return special(kinds, node, receiver, name)
    kind = parse(spec, receiver)
    if spec == "same" and receiver is not None and receiver.is_a(NDARRAY):
        return arrays.same(kinds, node, receiver, name)
    if kind.name.startswith("dask."):
        from mlint.model.kinds import dask_functions

        if receiver is None:
            return dask_functions.function(kinds, node, name, kind)
        if receiver.name.startswith("dask.array.random."):
            return dask_functions.drawn(kinds, receiver, name, node)
        return kind
    if receiver is not None and receiver.is_a(TENSOR):
        return tensors.method(kinds, node, receiver, name, kind)
    if kind.is_a(TENSOR) or name.startswith("torch."):
        return tensors.function(kinds, node, name, kind)
    if kind.is_a(DATAFRAME, SERIES):
        return _frame(kind, node, name)
    return kind


def _part(kind: Kind) -> Kind:
    """The kind of some rows of an array or a frame; a list gives a list."""
    return kind if kind.is_a(NDARRAY, DATAFRAME, SERIES, "list") else UNKNOWN


def _frame(kind: Kind, node: ast.Call, name: str) -> Kind:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    inplace = None if name == "assign" else keywords.get("inplace")  # a column of that name
    if isinstance(inplace, ast.Constant) and inplace.value is True:
        return UNKNOWN if name in _GIVING_THEMSELVES else NONE
    if inplace is not None and not isinstance(inplace, ast.Constant):
        return UNKNOWN
    if "squeeze" in keywords or (name == "pandas.read_csv" and ("chunksize" in keywords or "iterator" in keywords)):
        return UNKNOWN
    return kind._replace(dtype=None) if kind.dtype is not None else kind


_GIVING_THEMSELVES = frozenset("fillna replace ffill bfill interpolate where mask clip".split())
"""Methods that give with ``inplace=True`` the frame itself since pandas 3, and None before."""


def method_result(kinds: Kinds, receiver: Kind, name: str, node: ast.Call) -> Kind:
    """The kind of ``receiver.name(...)`` where the class of the receiver is not of the project."""
    if receiver.name.startswith("pandas."):
        from mlint.model.kinds import frames

        kind = frames.method(kinds, receiver, name, node)
        if kind is not None:
            return kind
    elif receiver.name.startswith("dask."):
        from mlint.model.kinds import dask_collections

        kind = dask_collections.method(kinds, receiver, name, node)
        if kind is not None:
            return kind
    elif receiver.name.startswith("ray."):
        from mlint.model.kinds import ray_tasks

        kind = ray_tasks.method(kinds, receiver, name, node)
        if kind is not None:
            return kind
    elif receiver.name.startswith("polars."):
        from mlint.model.kinds import polars_frames

        kind = polars_frames.method(kinds, receiver, name, node)
        if kind is not None:
            return kind
    elif receiver.name in _BUILTIN_METHODS:
        return _BUILTIN_METHODS[receiver.name](receiver, name, kinds, node)
    elif name in ("split", "get_n_splits") and receiver.is_a(SPLITTER):
        return _FOLDS if name == "split" else Kind("int")
    spec = member(libraries.method, receiver, name)
    return UNKNOWN if spec is None else result(kinds, spec, node, receiver, name)


_FOLD = Kind(NDARRAY, ndim=1, dtype="int64")
_FOLDS = Kind("iterable", elements=(Kind("tuple", elements=(_FOLD, _FOLD)),))
"""What splitters of scikit-learn give: positions for training and for testing."""


def constructed(kinds: Kinds, instance: Kind, node: ast.Call) -> Kind:
    """An instance of a library's class, with what the arguments tell about it."""
    if instance.name == DATA_LOADER or instance.name.startswith("torch.utils.data."):
        from mlint.model.kinds import loaders

        return loaders.constructed(kinds, instance, node)
    return instance


def _str_method(receiver: Kind, name: str, kinds: Kinds, node: ast.Call) -> Kind:
    if name in ("split", "rsplit", "splitlines"):
        return iterable(STR, "list")
    if name in ("find", "rfind", "index", "rindex", "count"):
        return Kind("int")
    if name.startswith("is") or name in ("startswith", "endswith"):
        return Kind("bool")
    if name in ("encode", "partition", "rpartition"):
        return Kind("bytes") if name == "encode" else Kind("tuple", elements=(STR, STR, STR))
    return STR


def _list_method(receiver: Kind, name: str, kinds: Kinds, node: ast.Call) -> Kind:
    if name == "copy":
        return receiver
    if name == "pop" and len(receiver.elements) == 1:
        return receiver.elements[0]
    if name in ("index", "count"):
        return Kind("int")
    return NONE if name in ("append", "extend", "insert", "sort", "reverse", "clear", "remove") else UNKNOWN


def _dict_method(receiver: Kind, name: str, kinds: Kinds, node: ast.Call) -> Kind:
    value = receiver.elements[0] if receiver.elements else UNKNOWN
    if name == "values":
        return iterable(value)
    if name == "items":
        return Kind("iterable", elements=(Kind("tuple", elements=(UNKNOWN, value)),))
    if name == "copy":
        return receiver
    if name in ("get", "pop", "setdefault"):
        if len(node.args) == 1:
            return value
        return join([value, kinds.of(node.args[1])]) if len(node.args) == 2 else UNKNOWN
    return NONE if name in ("update", "clear") else UNKNOWN


_BUILTIN_METHODS = {"str": _str_method, "list": _list_method, "dict": _dict_method}
