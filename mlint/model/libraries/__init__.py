"""What the libraries' functions, methods and attributes return: data, one module per library.

Each module may define

- ``FUNCTIONS``: dotted name → kind of the result,
- ``CLASSES``: dotted name of a class → the families that its instances belong to,
- ``FAMILIES``: a function from the dotted name of any class of the library to its families (for libraries whose
  class names tell),
- ``METHODS`` and ``ATTRIBUTES``: family → name → kind of the result; ``same`` is the kind of the receiver.

Kinds are written as in `mlint.model.kinds`: ``torch.Tensor``, ``numpy.ndarray``, ``tuple[numpy.ndarray, int]``,
``list[torch.Tensor]``. A module is imported only for a file that imports its library.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from types import ModuleType

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
}

ROOTS = tuple(_MODULES)
"""The top-level packages that the tables know."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function.

    Attributes:
        name: the name.
        how: ``positional`` (only so), ``either``, ``keyword`` (only so), ``*`` or ``**``.
        default: the default as it stands in the source; None where the parameter must be given.
        since: the first version known to have it, where earlier versions of the function did not.
        removed: the last version that had it and the first that did not.
    """

    name: str
    how: str = "either"
    default: str | None = None
    since: str | None = None
    removed: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What a library gives up.

    Attributes:
        name: the dotted name of a function, class, method, attribute, constant or module.
        argument: the argument of it that is meant; None for the thing itself.
        since: the version that deprecated it, as far as that is known.
        removed: the last version that had it and the first that did not; None while it is there.
        replacement: what to use instead, where the library names it.
        message: what the library says about it.
    """

    name: str
    argument: str | None = None
    since: str | None = None
    removed: tuple[str, str] | None = None
    replacement: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a function, a class or a method (its receiver left out), in order.

    Attributes:
        parameters: those of the newest version that has the function; then those that earlier versions had.
        deprecations: what is deprecated about the function or an argument of it.
    """

    parameters: tuple[Parameter, ...]
    deprecations: tuple[Deprecation, ...] = ()


def returns(dotted: str) -> str | None:
    """The kind of what calling a function by its canonical name gives."""
    found = getattr(_table(dotted.partition(".")[0]), "FUNCTIONS", _NOTHING).get(dotted)
    return None if found is None else str(found)


def families(dotted: str) -> tuple[str, ...] | None:
    """The families that the instances of a class belong to."""
    module = _table(dotted.partition(".")[0])
    found: tuple[str, ...] | None = getattr(module, "CLASSES", _NOTHING).get(dotted)
    if found is None and module is not None and hasattr(module, "FAMILIES"):
        found = module.FAMILIES(dotted)
    return found


def method(owner: str, name: str) -> str | None:
    """The kind of what calling a method of a kind gives; ``same`` is the kind of the receiver."""
    return _member("METHODS", owner, name)


def attribute(owner: str, name: str) -> str | None:
    """The kind of an attribute of a kind."""
    return _member("ATTRIBUTES", owner, name)


def signature(dotted: str) -> Signature | None:
    """The parameters of a function, a class or (``pandas.DataFrame.drop``) a method."""
    return None


_NOTHING: dict[str, str] = {}


def _member(what: str, owner: str, name: str) -> str | None:
    found = getattr(_table(owner.partition(".")[0]), what, _NOTHING).get(owner)
    spec = None if found is None else found.get(name)
    return None if spec is None else str(spec)


@functools.cache
def _table(root: str) -> ModuleType | None:
    """The table module for a top-level package, or None."""
    name = _MODULES.get(root)
    return None if name is None else importlib.import_module(f"mlint.model.libraries.{name}")


def split(names: str) -> tuple[str, ...]:
    """The words of a text: tables list names so."""
    return tuple(names.split())


def returning(kind: str, names: str, prefix: str = "") -> dict[str, str]:
    """A table in which every name of a text gives the same kind."""
    return {prefix + name: kind for name in names.split()}
