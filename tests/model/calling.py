"""Calls what a library offers with plausible arguments, and holds the model against what comes out.

    python -m tests.model.calling                    everything, each group in a process of its own
    python -m tests.model.calling torch.Tensor       one group, by its name
    python -m tests.model.calling torch.Tensor --only 'm.*'    those whose names a regular expression fits
    python -m tests.model.calling --unknown GROUP    also what could be called and is not known

Where the tables' own tests ask whether an entry is right, this asks what the model makes of a whole call: with
dimensions, dtypes, and what the arguments change about it. It takes some minutes, so it is no test of the suite.
"""

from __future__ import annotations

import argparse
import ast
import faulthandler
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from mlint.model import libraries
from mlint.model.kinds import by_arguments
from mlint.model.libraries import data
from mlint.model.tree import walk
from tests.model.reading import model_of
from tests.model.reality import wrong
from tests.model.test_tables_reality import names_of, safe, silently
from tests.model.tracing import observe

IMPORTS = {
    "numpy": "import numpy as np",
    "pandas": "import numpy as np, pandas as pd",
    "torch": "import numpy as np, torch",
    "scipy": "import numpy as np, scipy, scipy.sparse, scipy.special, scipy.stats, scipy.linalg, scipy.signal, "
    "scipy.ndimage, scipy.interpolate, scipy.optimize, scipy.spatial.distance, scipy.fft, scipy.integrate",
    "polars": "import numpy as np, polars as pl",
    "dask": "import numpy as np, pandas as pd, dask.array as da, dask.dataframe as dd",
    "jax": "import numpy as np, jax, jax.numpy as jnp",
}
"""Library → what its groups import."""

SERIES = "pd.Series([3., 1., 2.])"
FRAME = "pd.DataFrame({'a': [3., 1., 2.], 'b': [1., 2., 3.]})"
DATES = "pd.date_range('2020', periods=3)"
OBJECTS: dict[str, tuple[str, ...]] = {
    "numpy.ndarray": ("np.array([3., 1., 2.])", "np.arange(9.).reshape(3, 3)", "np.array([2, 0, 1])"),
    "pandas.Series": (SERIES, "pd.Series(['a', 'b', 'a'])", f"pd.Series({DATES})", f"{SERIES}.set_axis({DATES})"),
    "pandas.DataFrame": (
        FRAME,
        "pd.DataFrame({'a': [3., 1., 2.], 'b': ['x', 'y', 'x']})",
        f"{FRAME}.set_index({DATES})",
        f"{FRAME}.set_index(pd.MultiIndex.from_tuples([(0, 1), (0, 2), (1, 1)], names=['p', 'q']))",
    ),
    "pandas.Index": ("pd.Index([3, 1, 2])", "pd.Index(['a', 'b'])"),
    "torch.Tensor": (
        "torch.tensor([3., 1., 2.])", "torch.rand(3, 3)", "torch.tensor([0, 2, 1])", "torch.tensor([True, False])",
    ),
    "polars.DataFrame": ("pl.DataFrame({'a': [3., 1., 2.], 'b': ['x', 'y', 'x']})",),
    "polars.LazyFrame": ("pl.DataFrame({'a': [3., 1., 2.], 'b': ['x', 'y', 'x']}).lazy()",),
    "polars.Series": ("pl.Series('a', [3., 1., 2.])", "pl.Series('a', ['x', 'y', 'x'])"),
    "polars.Expr": ("pl.col('a')",),
    "dask.array.Array": ("da.ones((4, 3), chunks=2)", "da.arange(4, chunks=2)"),
    "dask.dataframe.DataFrame": (f"dd.from_pandas({FRAME}, npartitions=2)",),
    "dask.dataframe.Series": (
        f"dd.from_pandas({FRAME}, npartitions=2)['a']",
        "dd.from_pandas(pd.DataFrame({'a': ['x', 'y', 'x']}), npartitions=2)['a']",
    ),
    "jax.Array": ("jnp.ones((3, 3))", "jnp.arange(3)"),
}  # fmt: skip
"""Class → objects of it, of which every method is called."""

METHOD_ARGUMENTS = (
    "", "0", "1", "axis=0", "axis=1", "axis=None", "'a'", "['a', 'b']", "[0, 1]", "2", "x", "np.array([1., 2., 3.])",
    "level=0", "inplace=True", "keepdims=True", "drop=True", "'a', 'b'", "columns='a'", "dim=0", "0, keepdim=True",
    "x, 0", "(3,)", "3, 1", "0, 1", "expand=True", "[True, False, True]", "lambda v: v", "'mean'", "['mean', 'sum']",
    "by='a'", "index=['a']", "numeric_only=True", "np.float32", "1, axis=0", "0, x", "return_inverse=True",
    "as_tuple=True", "on='a'", "str", "'D'", "normalize=True", "slice(0, 2)", "sum", "-1", "'records'", "retbins=True",
    "subset=['a']", "other=x", "copy=False", "return_indexer=True", "0, 0", "x, x", "0, 0, 1", "'int64'", "x > 0",
    "x > 0, 0.", "x > 0, x", "(1, 3)", "1, 3", "0, 1, x", "2, dim=0", "2, 0", "min=0", "x.T", "0.5",
)  # fmt: skip

FIRST: dict[str, tuple[str, ...]] = {
    "numpy": (
        "np.array([3., 1., 2.])", "np.arange(9.).reshape(3, 3)", "np.array([3, 1, 2])", "[3., 1., 2.]", "[0, 2, 1]",
        "[[3., 1.], [1., 5.]]", "3.5", "4", "[np.ones(2), np.ones(2)]", "(3, 1, 2)", "np.ones((2, 3, 4))", "'a'",
    ),
    "pandas": (
        FRAME, SERIES, "pd.Index([3, 1, 2])", "[3, 1, 2]", "['a', 'b']", "'2020'", f"[{FRAME}, {FRAME}]",
        f"[{SERIES}, {SERIES}]", "np.array([3., 1., 2.])", "{'a': [1, 2]}", DATES, "3",
    ),
    "torch": (
        "torch.tensor([3., 1., 2.])", "torch.rand(3, 3)", "torch.tensor([0, 2, 1])", "3", "2.5", "(2, 3)", "[1., 2.]",
        "[torch.ones(2), torch.ones(2)]", "torch.rand(1, 2, 3, 4)", "torch.rand(2, 3, 4)", "np.ones(3)",
        "torch.rand(3, dtype=torch.complex64)", "'ij,jk'",
    ),
    "scipy": (
        "np.array([3., 1., 2.])", "np.eye(3) + 1", "scipy.sparse.csr_matrix(np.eye(3))", "scipy.sparse.eye_array(3)",
        "3.5", "4", "[3., 1., 2.]", "[np.arange(5.), np.arange(5.) + 1]", "(3, 3)", "lambda v: v * 1.0",
        "np.array([3, 1, 2])",
    ),
    "jax": (
        "jnp.ones((3, 3))", "jnp.arange(3)", "3", "2.5", "(2, 3)", "[1., 2.]", "[jnp.ones(2), jnp.ones(2)]",
        "np.ones(3)", "jax.random.key(0)",
    ),
}  # fmt: skip
"""Library → what its functions are given first."""

FUNCTION_ARGUMENTS = (
    "", "0", "1", "axis=0", "axis=1", "axis=None", "[0, 2]", "(3, 1)", "np.array([1., 2., 3.])", "x", "2, axis=0",
    "0, 1", "-1", "(1, -1)", "keepdims=True", "x, x", "n=1", "'float32'", "2", "(2, 2)", "[True, False, True]", "dim=0",
    "0, keepdim=True", "x, 0", "size=3", "size=(2, 3)", "2, 3", "x, x, x", "0, 1, 5", "return_counts=True",
    "return_inverse=True", "as_tuple=True", "0, 1, (2, 3)", "3, 3", "format='csr'", "x > 0", "x > 0, x", "0.5",
    "0, x", "0, 0, 1", "0, 1, x", "dtype=float", "x.T", "None, 0", "full_matrices=False", "out=None", "x, 1",
    "bins=3", "sparse=True", "None, 1, 0",
)  # fmt: skip

FUNCTIONS = (
    "numpy numpy.fft numpy.linalg numpy.random numpy.ma pandas torch torch.nn.functional torch.linalg "
    "torch.special torch.fft scipy.sparse scipy.special scipy.stats scipy.linalg scipy.signal scipy.ndimage "
    "scipy.fft scipy.interpolate scipy.optimize scipy.spatial.distance scipy.integrate jax.numpy jax.nn "
    "jax.random jax.numpy.linalg"
).split()
"""Modules whose functions are called."""

ALIASES = {"numpy": "np", "pandas": "pd", "jax.numpy": "jnp"}
SECONDS = 0.2
Call = tuple[str, str]
"""The text of an object or first argument ``x``, and that of the call."""


def methods_of(owner: str) -> Iterator[str]:
    """What an object of a class has, by the tables."""
    found: set[str] = set()
    for base in data.bases(owner) or (owner,):
        root = base.partition(".")[0]
        found |= {name.rpartition(".")[2] for name in data.names(root) if name.rpartition(".")[0] == base}
        for table in ("METHODS", "ATTRIBUTES"):
            found |= getattr(libraries._table(root), table, {}).get(base, {}).keys()
    yield from sorted(name for name in found if name[0] != "_" and safe(name))


def functions_in(module: str) -> Iterator[str]:
    """The functions of a module whose results the tables tell or the model works out."""
    for dotted in names_of(module.partition(".")[0]):
        place, _, last = dotted.rpartition(".")
        row = data.row(dotted)
        if place != module or not safe(dotted) or (row is not None and row[6]) or last[0] == "_":
            continue
        if libraries.returns(dotted) is not None or by_arguments.special(dotted) is not None:
            yield last


def calls_of(group: str, only: str) -> list[Call]:
    """The calls of a group, of names that a regular expression fits."""
    found: list[Call] = []
    for made in OBJECTS.get(group, ()):
        for name in filter(re.compile(only).fullmatch, methods_of(group)):
            found.append((made, f"x.{name}"))
            found += [(made, f"x.{name}({arguments})") for arguments in METHOD_ARGUMENTS]
    if group in FUNCTIONS:
        root = group.partition(".")[0]
        short = group
        for name, alias in ALIASES.items():
            if f"{group}.".startswith(f"{name}."):
                short = alias + group.removeprefix(name)
        for name in filter(re.compile(only).fullmatch, functions_in(group)):
            found += [("0", f"{short}.{name}()")]
            for first in FIRST[root]:
                found += [(first, f"{short}.{name}(x{', ' * bool(more)}{more})") for more in FUNCTION_ARGUMENTS]
    return found


class _Late(Exception):
    """A call takes too long."""


def _late(*_: object) -> None:
    raise _Late


def compare(group: str, *, only: str = ".*", unknown: bool = False) -> int:
    """Print what the model has wrong about a group; the number of that."""
    calls = calls_of(group, only)
    imports = IMPORTS[group.partition(".")[0]]
    environment: dict[str, Any] = {}
    exec(imports, environment)
    signal.signal(signal.SIGALRM, _late)
    said: set[tuple[str, str, str, str]] = set()
    executed = known = 0
    for made in dict.fromkeys(made for made, _ in calls):
        texts = [call for first, call in calls if first == made]
        body = "".join(f"    here({text})\n" for text in texts)
        model = model_of(f"{imports}\ndef f():\n    x = {made}\n{body}")
        marks = [node for node in walk(model.module) if isinstance(node, ast.Call) and ast.unparse(node.func) == "here"]
        for text, mark in zip(texts, marks, strict=True):
            kind = model.kinds.of(mark.args[0])
            if not kind.known and not unknown:
                continue
            names = dict(environment)
            names["x"] = eval(made, names)
            faulthandler.dump_traceback_later(20, exit=True)
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            done, value = silently(lambda text=text, names=names: eval(text, names))  # type: ignore[misc]
            signal.setitimer(signal.ITIMER_REAL, 0)
            if not done:
                continue
            executed += 1
            known += kind.known
            seen = observe(value)
            reason = "not known" if not kind.known else wrong(kind, seen)
            if reason is not None:
                shape = "" if seen.ndim is None else f" {seen.ndim}-d {seen.dtype}"
                name = text.partition("(")[0]
                entry = (name, made, str(kind), type(value).__name__ + shape)
                if entry not in said:
                    print(f"  {text}, x = {made}, is said to be {kind}: {entry[3]}, {reason}"[:260], flush=True)
                said.add(entry)
    faulthandler.cancel_dump_traceback_later()
    wrongs = sum(kind != "unknown" for _, _, kind, _ in said)
    print(f"{group}: {executed} calls, {known} known, {wrongs} kinds wrong", flush=True)
    return len(said)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 if a kind is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--only", metavar="PATTERN", default=".*")
    parser.add_argument("--unknown", action="store_true")
    given = parser.parse_args(arguments)
    groups = given.groups or [*OBJECTS, *FUNCTIONS]
    if len(groups) == 1:
        with tempfile.TemporaryDirectory() as folder:  # some write files
            os.chdir(folder)
            return int(compare(groups[0], only=given.only, unknown=given.unknown) > 0)
    flags = [f"--only={given.only}", *(["--unknown"] if given.unknown else [])]
    command = [sys.executable, "-m", "tests.model.calling", *flags]
    return max(subprocess.run([*command, group], check=False).returncode for group in groups)


if __name__ == "__main__":
    sys.exit(main())
