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


@functools.cache
def table(root: str) -> ModuleType | None:
    """The table module for a top-level package, or None."""
    name = _MODULES.get(root)
    return None if name is None else importlib.import_module(f"mlint.model.libraries.{name}")


def split(names: str) -> tuple[str, ...]:
    """The words of a text: tables list names so."""
    return tuple(names.split())


def returning(kind: str, names: str, prefix: str = "") -> dict[str, str]:
    """A table in which every name of a text gives the same kind."""
    return {prefix + name: kind for name in names.split()}
