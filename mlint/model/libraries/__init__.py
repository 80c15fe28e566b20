"""What the libraries' functions, methods and attributes take and return, and what the libraries give up.

Most of it is generated (`data`, made by scripts/build_tables.py from several versions of each library). What cannot be
generated is written by hand, in one module per library, and wins over what is generated. Such a module may define

- ``FUNCTIONS``: dotted name → kind of the result,
- ``CLASSES``: dotted name of a class → the families that its instances belong to; these and no others,
- ``FAMILIES``: a function from the dotted name of any class of the library to families beside its bases (for libraries
  whose class names tell),
- ``METHODS`` and ``ATTRIBUTES``: family → name → kind of the result; ``same`` is the kind of the receiver.

Kinds are written as in `mlint.model.kinds`: ``torch.Tensor``, ``numpy.ndarray``, ``tuple[numpy.ndarray, int]``,
``list[torch.Tensor]``. A table is read only for a file that imports its library.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any, NamedTuple

from mlint.model.libraries import data

_MODULES = {
    "torch": "torch_",
    "torchvision": "torch_",
    "lightning": "torch_",
    "accelerate": "torch_",
    "transformers": "transformers_",
    "numpy": "numpy_",
    "scipy": "numpy_",
    "h5py": "numpy_",
    "pandas": "pandas_",
    "cudf": "pandas_",
    "sklearn": "sklearn_",
    "imblearn": "sklearn_",
    "cuml": "sklearn_",
    "dask_ml": "sklearn_",
    "jax": "jax_",
    "flax": "jax_",
    "tensorflow": "tensorflow_",
    "keras": "tensorflow_",
    "xgboost": "boosting_",
    "lightgbm": "boosting_",
    "catboost": "boosting_",
    "dask": "dask_",
    "distributed": "dask_",
    "polars": "polars_",
    "ray": "ray_",
}

_GENERATED = (
    "accelerate", "catboost", "dask_ml", "imblearn", "lightning", "optax", "peft",
    "torchmetrics", "trl",
)  # fmt: skip
ROOTS = tuple(dict.fromkeys((*_MODULES, *_GENERATED)))
"""The top-level packages that the tables know. ``datasets`` is left out: too many projects have a folder of that name."""


class Parameter(NamedTuple):
    """One parameter of a function.

    Attributes:
        name: the name.
        how: ``positional`` (only so), ``either``, ``keyword`` (only so), ``*`` or ``**``.
        default: the default as it stands in the source; None where the parameter must be given.
        since: the first version known to have it, where earlier versions of the function did not.
        removed: the last version that had it and the first that did not.
        earlier: other defaults that it had: the last version that had one, and the default; the latest first.
    """

    name: str
    how: str = "either"
    default: str | None = None
    since: str | None = None
    removed: tuple[str, str] | None = None
    earlier: tuple[tuple[str, str], ...] = ()


class Deprecation(NamedTuple):
    """What a library gives up.

    Attributes:
        name: the dotted name of a function, class, method, attribute, constant or module.
        argument: the argument of it that is meant; None for the thing itself.
        since: the version that deprecated it, as far as that is known.
        removed: the last version that had it and the first that did not; None while it is there.
        replacement: what to use instead, where the library names it.
        message: what the library says about it.
        back: the first version that has it again (``numpy.bool`` means something else since 2.0).
    """

    name: str
    argument: str | None = None
    since: str | None = None
    removed: tuple[str, str] | None = None
    replacement: str | None = None
    message: str = ""
    back: str | None = None


class Signature(NamedTuple):
    """The parameters of a function, a class or a method (its receiver left out), in order.

    Attributes:
        parameters: those of the newest version that has the function; then those that earlier versions had.
        deprecations: what is deprecated about the function or an argument of it.
    """

    parameters: tuple[Parameter, ...]
    deprecations: tuple[Deprecation, ...] = ()


@functools.cache
def returns(dotted: str) -> str | None:
    """The kind of what calling a function by its canonical name gives; for a class None."""
    root = dotted.partition(".")[0]
    found: str | None = getattr(_table(root), "FUNCTIONS", _NOTHING).get(dotted)
    if found is not None or root not in ROOTS:
        return found
    row = data.row(dotted)
    if row is None or row[1] not in ("f", "m") or not row[4]:
        return None
    return row[0].rpartition(".")[0] if row[4] == "same" else row[4]


@functools.cache
def families(dotted: str) -> tuple[str, ...] | None:
    """The families that the instances of a class belong to: what is said by hand, and its bases."""
    root = dotted.partition(".")[0]
    module = _table(root)
    by_hand: tuple[str, ...] | None = getattr(module, "CLASSES", _NOTHING).get(dotted)
    if by_hand is not None or root not in ROOTS:
        return by_hand
    told: tuple[str, ...] | None = None
    if module is not None and hasattr(module, "FAMILIES"):
        told = module.FAMILIES(dotted)
    row = data.row(dotted)
    if row is None or row[1] != "c":
        return told
    if row[0] != dotted:
        return families(row[0])
    found = [*(told or ()), dotted]
    for base in filter(None, row[4].split(",")):
        found += [base, *(families(base) or ())]
    return tuple(dict.fromkeys(found))


@functools.cache
def method(owner: str, name: str) -> str | None:
    """The kind of what calling a method of a kind gives; ``same`` is the kind of the receiver.

    ``unknown`` where the class has the method and what it gives is not known: a base has nothing to say then.
    """
    return _member("METHODS", "m", owner, name)


@functools.cache
def attribute(owner: str, name: str) -> str | None:
    """The kind of an attribute of a kind; ``unknown`` as for `method`."""
    return _member("ATTRIBUTES", "p", owner, name)


@functools.cache
def signature(dotted: str) -> Signature | None:
    """The parameters of a function, a class or (``pandas.DataFrame.drop``) a method."""
    row = data.row(dotted)
    if row is None and "." in dotted:
        owner, _, name = dotted.rpartition(".")
        row = next((r for base in (data.bases(owner) or ())[1:] if (r := data.row(f"{base}.{name}")) is not None), None)
    if row is None or row[1] not in ("f", "m", "c") or row[2] == "?":
        return None
    from mlint.model.libraries import signatures

    return Signature(signatures.parsed(row[2], row[3]), deprecated(row[0]))


def deprecations(root: str) -> tuple[Deprecation, ...]:
    """All that a library (a top-level package) gives up or has given up, in the order of the names."""
    return tuple(_deprecation(line) for lines in data.deprecations(root).values() for line in lines)


def given_up(root: str, after: str | None = None, before: str | None = None) -> tuple[Deprecation, ...]:
    """What a library deprecated or removed after one version and up to another; what has no version is always there.

    The version is the one that deprecated it, or the first version without it where the deprecation has none.
    """
    low, high = (None if version is None else _numbers(version) for version in (after, before))
    found = []
    for one in deprecations(root):
        version = one.since or (one.removed[1] if one.removed is not None else None)
        if version is not None:
            removed = one.removed[1] if one.removed is not None else version
            if low is not None and max(_numbers(version), _numbers(removed)) <= low:
                continue
            if high is not None and _numbers(version) > high:
                continue
        found.append(one)
    return tuple(found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


@functools.cache
def deprecated(dotted: str) -> tuple[Deprecation, ...]:
    """What is deprecated or removed about one function, class, method, attribute, constant or module."""
    lines = data.deprecations(dotted.partition(".")[0])
    found = lines.get(dotted)
    if found is None:
        row = data.row(dotted)
        found = None if row is None else lines.get(row[0])
    return tuple(map(_deprecation, found or ()))


def _deprecation(line: str) -> Deprecation:
    parts = line.split("\t") + [""] * 5
    last, without, back = (*parts[3].split(".."), "", "")[:3]
    removed = (last, without) if parts[3] else None
    return Deprecation(parts[0], parts[1] or None, parts[2] or None, removed, parts[4] or None, parts[5], back or None)


_NOTHING: dict[str, Any] = {}


def _member(what: str, letter: str, owner: str, name: str) -> str | None:
    bases = data.bases(owner) if owner.partition(".")[0] in ROOTS else None
    order = bases or (owner,)
    for base in order if order[0] == owner else (owner, *order):
        found = getattr(_table(base.partition(".")[0]), what, _NOTHING).get(base)
        spec = None if found is None else found.get(name)
        if spec is not None:
            return str(spec)
    if bases is None:
        return None
    for base in bases:
        row = data.row(f"{base}.{name}")
        if row is not None:
            return row[4] or "unknown" if row[1] == letter else "unknown"
    return None


@functools.cache
def _table(root: str) -> ModuleType | None:
    """The module of what is written by hand for a top-level package, or None."""
    name = _MODULES.get(root)
    return None if name is None else importlib.import_module(f"mlint.model.libraries.{name}")


def split(names: str) -> tuple[str, ...]:
    """The words of a text: tables list names so."""
    return tuple(names.split())


def returning(kind: str, names: str, prefix: str = "") -> dict[str, str]:
    """A table in which every name of a text gives the same kind."""
    return {prefix + name: kind for name in names.split()}
