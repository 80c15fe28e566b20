"""The generated kinds are what the installed libraries really give.

Every function of a library that can be called with a few sample values is called, and so is every method and attribute
of sample objects that needs no argument; what comes back is compared with what the table says.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import itertools
import numbers
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlint.model import libraries
from mlint.model.libraries import data

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BUILTINS: dict[str, Any] = {
    **{t.__name__: t for t in (bool, str, bytes, complex, dict, list, tuple, set)},
    "int": numbers.Integral,  # also NumPy's
    "float": numbers.Real,
    "iterable": Iterator,  # of the same things; what can be iterated over again is not told from what can be once
}
COMPUTED = frozenset(
    "numpy.ufunc-result numpy.reduction numpy.product numpy.draw same-as-argument list[same-as-arguments] object "
    "unknown pandas.concat-result pandas.indexer pandas.accessor pandas.GroupBy pandas.Rolling numpy.flatiter jax.at "
    "jax.random.key jax.random.keys torch.state_dict".split()
) | {"list[tuple[object, pandas.Series]]"}
"""Kinds that say how to work out the kind, and kinds that are no class."""
UNSAFE = (
    "abort exit wait input show main shutdown init_process_group monitor listen serve sleep delete destroy remove "
    "unlink save savetxt tofile to_csv to_parquet to_pickle to_clipboard download set_ disable_ enable_ use_ manual_ "
    "barrier reset fetch_ load_dataset seterr errstate write manual_seed initialize test broadcast share_memory cuda "
    "hpu ipu xpu mtia pin_memory set_default seed trace_export start_ stop_ interactive install register plot launch "
    "connect resize"
).split()


def agrees(kind: str, value: object, receiver: object = None) -> bool:
    """Whether a value is of a kind."""
    if kind == "unknown":
        return True
    if kind == "None":
        return value is None
    if kind == "same":
        return type(value) is type(receiver)
    if kind == "scalar":
        return isinstance(value, numbers.Number) or (hasattr(value, "dtype") and getattr(value, "shape", None) == ())
    head, _, inner = kind.partition("[")
    if kind == "bool":
        return type(value).__name__ in ("bool", "bool_")  # also NumPy's
    if head not in BUILTINS:
        return isinstance(value, reached(kind))
    if not inner or not isinstance(value, BUILTINS[head]):
        return isinstance(value, BUILTINS[head])
    parts = [part.strip() for part in inner[:-1].split(", ")]
    elements: list[object] = list(value)
    if head in ("list", "iterable"):
        parts = [inner[:-1], "..."]
    if parts[-1] == "...":
        return all(agrees(parts[0], element, receiver) for element in elements)
    return len(parts) == len(elements) and all(agrees(p, e, receiver) for p, e in zip(parts, elements))


def reached(dotted: str) -> Any:
    """The object of a dotted name."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        with contextlib.suppress(ImportError):
            found: Any = importlib.import_module(".".join(parts[:count]))
            for part in parts[count:]:
                found = getattr(found, part)
            return found
    raise AttributeError(dotted)


def required(dotted: str) -> int | None:
    """How many arguments a call must have; None where the table does not tell."""
    found = libraries.signature(dotted)
    if found is None:
        return None
    return sum(p.default is None and p.how not in ("*", "**") and p.removed is None for p in found.parameters)


def silently(call: Callable[[], object]) -> tuple[bool, object]:
    """What a call gives; False if it raises."""
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        try:
            return True, call()
        except Exception:
            return False, None


def safe(dotted: str) -> bool:
    return not any(word in dotted.rpartition(".")[2] for word in UNSAFE)


def names_of(root: str) -> list[str]:
    """All names of a library's tables."""
    by_hand = getattr(libraries._table(root), "FUNCTIONS", {})
    return sorted({*data.names(root), *(name for name in by_hand if name.partition(".")[0] == root)})


def functions(
    root: str, prefix: str, samples: list[object], among: frozenset[str] | None
) -> Iterator[tuple[str, str, object]]:
    """(name, kind, value) of every function under a prefix that takes some of the samples."""
    for dotted in names_of(root) if among is None else sorted(among):
        kind = libraries.returns(dotted) if dotted.startswith(prefix) and safe(dotted) else None
        row = data.row(dotted)
        count = required(dotted)
        if kind is None or kind in COMPUTED or row is None or row[1] != "f" or row[6] or count is None or count > 2:
            continue
        try:
            function = reached(dotted)
        except AttributeError:
            continue
        for arguments in itertools.product(samples, repeat=count):
            done, value = silently(lambda f=function, a=arguments: f(*copy.deepcopy(a)))  # type: ignore[misc]
            if done:
                yield dotted, kind, value


def members(owner: str, make: Callable[[], object]) -> Iterator[tuple[str, str, object, object]]:
    """(name, kind, value, receiver) of every attribute, and of every method that needs no argument."""
    order = data.bases(owner) or (owner,)
    known: set[str] = set()
    for base in order:
        names = data.names(base.partition(".")[0])
        known |= {name.rpartition(".")[2] for name in names if name.rpartition(".")[0] == base}
        for table in ("METHODS", "ATTRIBUTES"):
            known |= getattr(libraries._table(base.partition(".")[0]), table, {}).get(base, {}).keys()
    for name in sorted(known):
        if not safe(name):
            continue
        receiver = make()
        kind = libraries.attribute(owner, name)
        if kind is not None and kind != "unknown":
            done, value = silently(lambda r=receiver, n=name: getattr(r, n))  # type: ignore[misc]
        else:
            kind = libraries.method(owner, name)
            if kind is None or required(f"{owner}.{name}") not in (0, None):
                continue
            done, value = silently(lambda r=receiver, n=name: getattr(r, n)())  # type: ignore[misc]
        if done and kind not in COMPUTED:
            yield f"{owner}.{name}", kind, value, receiver


def wrong_functions(
    root: str,
    prefix: str,
    samples: list[object],
    excused: frozenset[str] = frozenset(),
    among: frozenset[str] | None = None,
) -> tuple[int, list[str]]:
    names, wrong = set(), set()
    for dotted, kind, value in functions(root, prefix, samples, among):
        names.add(dotted)
        if dotted not in excused and not agrees(kind, value):
            wrong.add(f"{dotted} gives {type(value).__module__}.{type(value).__name__}, not {kind}")
    return len(names), sorted(wrong)


def wrong_members(owner: str, make: Callable[[], object]) -> tuple[int, list[str]]:
    names, wrong = set(), set()
    for dotted, kind, value, receiver in members(owner, make):
        names.add(dotted)
        if not agrees(kind, value, receiver):
            wrong.add(f"{dotted} gives {type(value).__module__}.{type(value).__name__}, not {kind}")
    return len(names), sorted(wrong)


SCALARS = frozenset(f"numpy.{name}" for name in "digitize flip kron lexsort atleast_1d atleast_2d atleast_3d".split())
"""Functions that give no array where they are given none, or several arrays for several."""


def check(found: tuple[int, list[str]], least: int, optional: frozenset[str] = frozenset()) -> None:
    """At least so many could be called, and all of them gave what the table says; optional ones may give None."""
    called, wrong = found
    assert [line for line in wrong if line.partition(" ")[0].rpartition(".")[2] not in optional] == []
    assert called >= least, f"only {called} could be called"


def test_numpy() -> None:
    np = pytest.importorskip("numpy")
    matrix = np.arange(1.0, 10.0).reshape(3, 3)
    check(wrong_functions("numpy", "numpy.", [matrix, np.arange(4), [1, 2, 3], 3, "a"], SCALARS), 100)
    check(wrong_members("numpy.ndarray", lambda: matrix.copy()), 20)


def test_pandas() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2, 2], "b": [1.0, 2.0, None]})
    other = pd.DataFrame({"a": ["x", "y"], "b": pd.date_range("2020", periods=2)})
    check(wrong_members("pandas.DataFrame", frame.copy), 50)
    check(wrong_members("pandas.DataFrame", other.copy), 40)
    check(wrong_members("pandas.Series", frame["a"].copy), 50)
    check(wrong_members("pandas.Index", lambda: pd.Index(["a", "b"])), 20)
    check(wrong_members("pandas.DatetimeIndex", lambda: pd.date_range("2020", periods=3)), 40)
    check(wrong_members("pandas.MultiIndex", lambda: pd.MultiIndex.from_tuples([(1, 2), (3, 4)])), 20)
    check(wrong_functions("pandas", "pandas.", [frame, frame["a"], [1, 2, 3], "2020-01-01", ["a", "b"]]), 8)


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    pair = [torch.rand(2, 2), torch.rand(2, 2)]
    samples = [torch.rand(3, 3), torch.arange(4), 3, (2, 3), pair, torch.rand(1, 2, 3, 4)]
    for prefix, least in (("torch.nn.functional.", 40), ("torch.linalg.", 15), ("torch.special.", 20)):
        check(wrong_functions("torch", prefix, samples), least)
    own = [name for name in names_of("torch") if name.count(".") == 1]
    check(wrong_functions("torch", "torch.", samples, among=frozenset(own)), 150)
    check(wrong_members("torch.Tensor", lambda: torch.rand(3, 3)), 100, frozenset({"grad"}))
    check(wrong_members("torch.nn.Linear", lambda: torch.nn.Linear(2, 2)), 13)


def test_sklearn() -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("sklearn")
    features = np.random.default_rng(0).random((20, 3))
    target = (features[:, 0] > 0.5).astype(int)
    check(wrong_functions("sklearn", "sklearn.", [features, target, features[:, 0], 3]), 60)


@pytest.mark.slow
def test_jax() -> None:
    jnp = pytest.importorskip("jax.numpy")
    check(wrong_functions("jax", "jax.numpy.", [jnp.ones((3, 3)), jnp.arange(4), 3, (2, 3)]), 80)
    check(wrong_functions("jax", "jax.nn.", [jnp.ones((3, 3))]), 15)
    check(wrong_members("jax.Array", lambda: jnp.ones((3, 3))), 20)


@pytest.mark.slow
def test_tensorflow() -> None:
    tf = pytest.importorskip("tensorflow")
    check(wrong_functions("tensorflow", "tensorflow.", [tf.ones((3, 3)), tf.range(4), 3, [1, 2]]), 80)
    check(wrong_members("tensorflow.data.Dataset", lambda: tf.data.Dataset.range(3)), 3)


def test_polars() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, 2, 2], "b": [1.0, 2.0, None]})
    check(wrong_members("polars.DataFrame", frame.clone), 30)
    check(wrong_members("polars.Series", frame["a"].clone), 30)
    check(wrong_members("polars.LazyFrame", frame.lazy), 10)
    check(wrong_members("polars.Expr", lambda: pl.col("a")), 20)


def test_boosting() -> None:
    np = pytest.importorskip("numpy")
    xgb, lgb = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    features = np.random.default_rng(0).random((20, 3))
    target = (features[:, 0] > 0.5).astype(int)
    model = xgb.XGBClassifier(n_estimators=2).fit(features, target)
    check(wrong_members("xgboost.XGBClassifier", lambda: model), 3)
    check(wrong_members("xgboost.DMatrix", lambda: xgb.DMatrix(features, target)), 3)
    check(wrong_members("lightgbm.Dataset", lambda: lgb.Dataset(features, target)), 2)


def test_a_wrong_kind_is_seen() -> None:
    np = pytest.importorskip("numpy")
    assert not agrees("numpy.ndarray", np.float64(1))
    assert not agrees("tuple[numpy.ndarray, int]", (np.zeros(3), "a"))
    assert not agrees("list[int]", [1, None])
    assert agrees("tuple[numpy.ndarray, ...]", (np.zeros(3), np.zeros(2)))
    assert agrees("same", [1], receiver=[2])
