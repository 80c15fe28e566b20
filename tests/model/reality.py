"""What the model says of the expressions of a program, held against what they turn out to be.

As a program (``python -m tests.model.reality PROGRAM``) it prints the comparison as JSON. Each of the traced programs
gets a process of its own: not all frameworks bear to be loaded into one.
"""

from __future__ import annotations

import ast
import functools
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlint.model.file import FileModel
from mlint.model.kinds import Kind
from mlint.model.project import Project
from mlint.source import Source
from tests.model.tracing import Observed, trace

LIBRARIES = frozenset(
    "torch torchvision lightning numpy scipy pandas polars sklearn tensorflow keras jax jaxlib flax optax transformers "
    "xgboost lightgbm dask ray".split()
)


def _is(*names: str) -> Callable[[Observed], bool]:
    """Whether a type or one of its bases has one of these names (as the library itself names it)."""
    return lambda observed: not set(names).isdisjoint(observed.mro())


def _inherits(*types: type) -> Callable[[Observed], bool]:
    return lambda observed: issubclass(observed.type, types)


_SCALAR = _inherits(int, float, complex)

_MEANING: dict[str, Callable[[Observed], bool]] = {
    "None": lambda observed: False,
    "object": lambda observed: True,
    "scalar": lambda observed: _SCALAR(observed) or _is("numpy.generic")(observed),
    "iterable": lambda observed: hasattr(observed.type, "__iter__"),
    **{t.__name__: _inherits(t) for t in (int, float, bool, complex, str, bytes, list, tuple, dict, set, range)},
    # Kinds that stand for several classes, or for classes that have no public name.
    "typing.NamedTuple": _inherits(tuple),
    "torch.nn.Loss": _is("torch.nn.modules.loss._Loss"),
    "torch.nn.Layer": _is("torch.nn.modules.module.Module"),
    "torch.state_dict": _inherits(dict),
    "pandas.GroupBy": _is("pandas.core.groupby.groupby.BaseGroupBy"),
    "pandas.Rolling": _is("pandas.core.window.rolling.BaseWindow"),
    "pandas.indexer": lambda observed: observed.type.__name__.endswith("Indexer"),
    "pandas.accessor": lambda observed: any(base.__module__.startswith("pandas") for base in observed.type.__mro__),
    "dask.dataframe.GroupBy": lambda observed: observed.type.__name__.endswith("GroupBy"),
    "dask.dataframe.accessor": lambda observed: observed.type.__name__.endswith("Accessor"),
    "dask.dataframe.indexer": lambda observed: observed.type.__name__.endswith("Indexer"),
    "dask.dataframe.partitions": lambda observed: observed.type.__name__ == "IndexCallable",
    "ray.remote": lambda observed: hasattr(observed.type, "remote") or observed.type.__name__ == "RemoteFunction",
    "jax.Array": _is("jax.Array", "jax._src.core.Tracer", "jaxlib._jax.ArrayImpl", "jaxlib.xla_extension.ArrayImpl"),
    "jax.random.key": lambda observed: _MEANING["jax.Array"](observed) or "PRNGKeyArray" in observed.type.__name__,
    "jax.random.keys": lambda observed: _MEANING["jax.random.key"](observed),
    "jax.at": lambda observed: observed.type.__name__ in ("_IndexUpdateHelper", "_IndexUpdateRef"),
    # Also what transforms without being a mixin: CountVectorizer.
    "sklearn.base.TransformerMixin": lambda observed: hasattr(observed.type, "fit_transform"),
    "sklearn.model_selection.BaseCrossValidator": _is(
        "sklearn.model_selection._split.BaseCrossValidator",
        "sklearn.model_selection._split.BaseShuffleSplit",
        "sklearn.model_selection._split._UnsupportedGroupCVMixin",
    ),
}  # fmt: skip
"""What the kinds mean that are no classes which can be imported by their name."""


@functools.cache
def _imported(dotted: str) -> Any:
    """The object that a dotted name stands for; None if there is none."""
    parts = dotted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
            for part in parts[length:]:
                found = getattr(found, part)
        except (ImportError, AttributeError):
            continue
        return found
    return None


def wrong(kind: Kind, observed: Observed) -> str | None:
    """What is wrong about a kind, if anything; a kind that says nothing is not wrong.

    Where an expression can be None beside something else, its kind is that of the other thing.
    """
    if not kind.known or observed.type is type(None):
        return None
    alternatives = getattr(kind, "alternatives", ())
    if alternatives:
        reasons = [wrong(alternative, observed) for alternative in alternatives]
        return None if None in reasons else "; ".join(filter(None, reasons))
    for name in {kind.name, *kind.families} - {"instance"}:
        meaning = _MEANING.get(name)
        if meaning is not None:
            if not meaning(observed):
                return f"not {name}"
            continue
        found = _imported(name)
        if found is None:
            return f"there is no {name}"
        if not isinstance(found, type):
            return f"{name} is no class"
        if not issubclass(observed.type, found):
            return f"not {name}"
    if kind.definition is not None and kind.definition.name not in {base.__name__ for base in observed.type.__mro__}:
        return f"not {kind.definition.name}"
    if kind.ndim is not None and kind.ndim != observed.ndim:
        return f"not {kind.ndim}-d"
    if kind.dtype is not None and kind.dtype != observed.dtype:
        return f"not {kind.dtype}"
    if kind.elements and observed.length:
        if kind.name == "tuple" and len(kind.elements) != observed.length:
            return f"not {len(kind.elements)} elements"
        inner = kind.elements if kind.name == "tuple" else kind.elements * len(observed.elements)
        for element, seen in zip(inner, observed.elements, strict=False):
            reason = wrong(element, seen)
            if reason is not None:
                return f"element: {reason}"
    return None


def is_of_library(observed: Observed) -> bool:
    """Whether a value is an object of a library or of a subclass of one of its classes."""
    if observed.is_definition:
        return False
    return any(base.__module__.partition(".")[0] in LIBRARIES for base in observed.type.__mro__)


def compare(path: Path) -> dict[str, Any]:
    """Run a program and hold the model against it.

    Returns:
        ``functions`` called, ``known`` and ``total`` library-valued expressions, and texts about the ``wrong`` and
        the ``unknown`` ones.
    """
    functions, seen = trace(path)
    source = Source.read(str(path))
    module = source.parse()
    model = FileModel(source, module, Project())
    result: dict[str, Any] = {"functions": functions, "known": 0, "total": 0, "wrong": [], "unknown": []}
    for number, node in enumerate(ast.walk(module)):
        if number not in seen:
            continue
        observations = seen[number]
        kind = model.kinds.of(node)
        said = f"{path.name}:{getattr(node, 'lineno', 0)}: `{ast.unparse(node)}` is said to be {kind}"
        for observed in observations:
            reason = wrong(kind, observed)
            if reason is not None:
                details = f"({observed.ndim}-d {observed.dtype})" if observed.ndim is not None else ""
                result["wrong"].append(f"{said}: {reason}, {observed.type.__qualname__} {details}")
                break
        if any(is_of_library(observed) for observed in observations):
            result["total"] += 1
            if kind.known:
                result["known"] += 1
            else:
                types = sorted({observed.type.__qualname__ for observed in observations})
                result["unknown"].append(f"{path.name}:{getattr(node, 'lineno', 0)}: `{ast.unparse(node)}`: {types}")
    return result


if __name__ == "__main__":
    sys.stdout.write("\n@@" + json.dumps(compare(Path(sys.argv[1]))) + "\n")
