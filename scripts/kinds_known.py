"""How many receivers of calls on library objects have a known kind, over the files of some folders.

Without running the code nobody can say what every receiver is, so the share is taken over calls that can only be calls
on objects of a library: ``receiver.name(...)`` in a file that imports one of the libraries of the model, where

- the receiver is no module, class or function (``np.zeros(3)``, ``nn.Module.forward(x)`` are no calls on objects), no
  `self`, `cls` or `super()`, and no literal,
- the name of the method is one that objects of the libraries which the file imports have, and that neither Python's
  own types nor any function of the file have (`LIBRARY_METHODS`): ``.backward``, ``.groupby``, ``.detach``,
  ``.fit_transform``, but not ``.copy``, ``.append``, ``.update``.

A receiver is known if its kind is (one of several kinds included). What is not counted (``x.mean()`` where a class in
the same file defines `mean`) is left out of both numbers, so the share says nothing about it.

    python scripts/kinds_known.py FOLDER... [--each]
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mlint.model.file import FileModel  # noqa: E402
from mlint.model.project import Project  # noqa: E402
from mlint.source import Source, SourceError  # noqa: E402

LIBRARY_METHODS: dict[str, frozenset[str]] = {
    "torch": frozenset(
        "backward detach cpu cuda unsqueeze squeeze view permute contiguous masked_fill zero_grad "
        "state_dict load_state_dict named_parameters parameters requires_grad_ expand_as index_select numel argmax "
        "softmax log_softmax matmul bmm clamp item scatter_ gather".split()
    ),
    "numpy": frozenset(
        "reshape astype argmax argsort ravel flatten transpose tolist cumsum nonzero argmin dot".split()
    ),
    "pandas": frozenset(
        "groupby merge fillna dropna drop_duplicates reset_index set_index value_counts sort_values iterrows "
        "itertuples to_csv isnull notnull rename pivot_table astype to_numpy nunique apply".split()
    ),
    "sklearn": frozenset(
        "fit_transform predict_proba transform decision_function inverse_transform predict fit".split()
    ),
    "tensorflow": frozenset("numpy prefetch apply_gradients assign_add get_shape".split()),
    "keras": frozenset("compile predict fit get_weights set_weights".split()),
    "jax": frozenset("reshape astype argmax ravel transpose block_until_ready".split()),
    "xgboost": frozenset("get_score predict fit".split()),
    "lightgbm": frozenset("feature_importance predict fit".split()),
    "polars": frozenset("with_columns group_by collect lazy to_pandas".split()),
    "dask": frozenset("compute persist map_partitions".split()),
}
"""Library → methods that an object of it has and that Python's own objects have not."""


def python_files(folders: Sequence[Path]) -> Iterator[Path]:
    """The Python files below some folders, in order."""
    for folder in folders:
        yield from sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]


def receivers(model: FileModel) -> Iterator[tuple[str, ast.expr]]:
    """The method and the receiver of each call on an object of a library."""
    imported = {(binding.imported or "").partition(".")[0] for binding in model.names.imports()}
    wanted: set[str] = set()
    for library in imported:
        wanted |= LIBRARY_METHODS.get(library, frozenset())
    nodes = list(ast.walk(model.module)) if wanted else []
    wanted -= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    for call in nodes:
        if not isinstance(call, ast.Call):
            continue
        func = call.func
        if not isinstance(func, ast.Attribute) or func.attr not in wanted or model.names.dotted(func) is not None:
            continue
        receiver = func.value
        if isinstance(receiver, (ast.Constant, ast.JoinedStr, ast.Dict, ast.List)):
            continue
        if model.kinds.is_self(receiver) or model.kinds.local_class(receiver) is not None:
            continue
        if isinstance(receiver, ast.Call) and isinstance(receiver.func, ast.Name) and receiver.func.id == "super":
            continue
        yield func.attr, receiver


def main(argv: Sequence[str] | None = None) -> int:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--each", action="store_true", help="also the share for each method")
    arguments = parser.parse_args(argv)
    known: Counter[str] = Counter()
    total: Counter[str] = Counter()
    project = Project()
    for path in python_files(arguments.folders):
        try:
            source = Source.read(str(path))
            model = FileModel(source, source.parse(), project)
        except (OSError, SourceError):
            continue
        for method, receiver in receivers(model):
            total[method] += 1
            known[method] += model.kinds.of(receiver).known
    if arguments.each:
        for method, count in total.most_common():
            print(f"{method:20} {known[method]:6} of {count:6}  {known[method] / count:6.1%}")
    count = max(total.total(), 1)
    print(f"{known.total()} of {total.total()} receivers known: {known.total() / count:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
