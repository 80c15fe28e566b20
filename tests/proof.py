"""Runs the examples of the rules: lints them, fixes them, and executes them before and after the fix."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import math
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlint.engine import Engine, EngineOptions
from mlint.finding import Finding
from mlint.registry import Index, RuleEntry
from mlint.rule import Example
from mlint.source import Source

SEEDS = (0, 1, 2)


def text_of(example: Example, code: str) -> str:
    """The file that an example stands for."""
    parts = [part if part.endswith("\n") else part + "\n" for part in (example.given, code) if part]
    return "".join(parts)


@contextlib.contextmanager
def project(example: Example) -> Iterator[Path]:
    """A temporary folder with the other files of an example."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in example.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        yield root


def checker(index: Index, entry: RuleEntry, example: Example, root: Path) -> Callable[[Source], list[Finding]]:
    """What lints a file with one rule, as the example says."""
    engine = Engine(index, options=EngineOptions(target_versions=example.targets, roots=(str(root),)))

    def check(source: Source) -> list[Finding]:
        report = engine.check(source, frozenset({entry.code}))
        assert not report.errors, report.errors[0].details
        return report.findings

    return check


def source_of(example: Example, code: str, root: Path) -> Source:
    """An example's file in its project."""
    return Source.from_bytes(text_of(example, code).encode(), str(root / example.path))


# Execution


def missing(example: Example) -> list[str]:
    """The libraries that an executed example needs and that are not installed."""
    roots: set[str] = set()
    for node in ast.walk(ast.parse(text_of(example, example.bad or ""))):
        if isinstance(node, ast.Import):
            roots.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.add(node.module.partition(".")[0])
    local = {name.partition("/")[0].removesuffix(".py") for name in example.files}
    return sorted(root for root in roots - local if importlib.util.find_spec(root) is None)


def execute(text: str, expressions: list[str], seed: int, folder: Path, path: str) -> list[Any]:
    """Run a program in a namespace of its own and evaluate expressions in it."""
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(folder / path), "mlint_seed": seed}
    _seed(seed)
    before = os.getcwd()
    sys.path.insert(0, str(folder))
    known = set(sys.modules)
    os.chdir(folder)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            exec(compile(text, str(folder / path), "exec"), namespace)
            return [eval(expression, namespace) for expression in expressions]
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]


def _seed(seed: int) -> None:
    random.seed(seed)
    if "numpy" in sys.modules or importlib.util.find_spec("numpy"):
        import numpy

        numpy.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "tensorflow" in sys.modules:
        sys.modules["tensorflow"].random.set_seed(seed)


def expressions(example: Example) -> list[str]:
    """The expressions that an executed example compares."""
    assert example.equal is not None
    node = ast.parse(example.equal, mode="eval").body
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return [ast.unparse(part) for part in parts]


def prove(example: Example, good: str, root: Path) -> None:
    """Execute an example before and after its fix and compare.

    Raises:
        AssertionError: the results differ.
    """
    assert example.bad is not None
    compared = expressions(example)
    for seed in SEEDS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if any("torch" in line for line in example.given.splitlines()) and importlib.util.find_spec("torch"):
                import torch  # noqa: F401 - so that it is seeded before the first run too
            if "tensorflow" in example.given and importlib.util.find_spec("tensorflow"):
                import tensorflow  # noqa: F401 - whose first import draws random numbers
        if example.raises is not None:
            raised: BaseException | None = None
            try:
                execute(text_of(example, example.bad), [], seed, root, example.path)
            except Exception as error:
                raised = error
            assert raised is not None, f"the original does not raise {example.raises}"
            names = {kind.__name__ for kind in type(raised).__mro__}
            assert example.raises in names, f"the original raises {type(raised).__name__}: {raised}"
            after = execute(good, compared, seed, root, example.path)
            for expression, value in zip(compared, after):
                assert value not in (None, False), f"{expression} is {value!r} after the fix"
            continue
        before = execute(text_of(example, example.bad), compared, seed, root, example.path)
        after = execute(good, compared, seed, root, example.path)
        for expression, old, new in zip(compared, before, after):
            assert_same(old, new, expression, close=example.close, better=example.better)


def assert_same(old: Any, new: Any, what: str, *, close: bool, better: bool) -> None:
    """Whether two results are the same value of the same type.

    Raises:
        AssertionError: they are not.
    """
    if type(old) is not type(new) and not (_is_scalar(old) and _is_scalar(new) and close):
        raise AssertionError(f"{what}: {type(old).__name__} before, {type(new).__name__} after")
    module = type(old).__module__.partition(".")[0]
    if module == "pandas":
        _same_frames(old, new, what, close)
    elif module in ("torch", "jaxlib", "jax", "tensorflow") or hasattr(old, "__array__"):
        _same_arrays(_array(old), _array(new), what, close=close, better=better)
    elif isinstance(old, dict):
        assert list(old) == list(new), f"{what}: keys {list(old)} before, {list(new)} after"
        for key in old:
            assert_same(old[key], new[key], f"{what}[{key!r}]", close=close, better=better)
    elif isinstance(old, (list, tuple)):
        assert len(old) == len(new), f"{what}: {len(old)} elements before, {len(new)} after"
        for position, (first, second) in enumerate(zip(old, new)):
            assert_same(first, second, f"{what}[{position}]", close=close, better=better)
    elif isinstance(old, float):
        if better and not math.isfinite(old):
            assert math.isfinite(new) or new == old or math.isnan(old), f"{what}: {old} before, {new} after"
        elif close:
            assert math.isclose(old, new, rel_tol=1e-7, abs_tol=1e-9) or (math.isnan(old) and math.isnan(new)), (
                f"{what}: {old} before, {new} after"
            )
        else:
            assert old == new or (math.isnan(old) and math.isnan(new)), f"{what}: {old!r} before, {new!r} after"
    else:
        assert old == new, f"{what}: {old!r} before, {new!r} after"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (int, float)) or (hasattr(value, "dtype") and getattr(value, "shape", None) == ())


def _array(value: Any) -> Any:
    import numpy

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
    return numpy.asarray(value)


def _same_arrays(old: Any, new: Any, what: str, *, close: bool, better: bool) -> None:
    import numpy

    assert old.dtype == new.dtype, f"{what}: dtype {old.dtype} before, {new.dtype} after"
    assert old.shape == new.shape, f"{what}: shape {old.shape} before, {new.shape} after"
    if better and old.dtype.kind == "f":
        finite = numpy.isfinite(old)
        assert numpy.isfinite(new[~finite]).all() or (new[~finite] == old[~finite]).all(), (
            f"{what}: not finite after the fix either"
        )
        old, new = old[finite], new[finite]
    if close and old.dtype.kind in "fc":
        # The default tolerances of torch.testing.assert_close for the dtype.
        rtol, atol = {2: (1e-3, 1e-5), 4: (1.3e-6, 1e-5), 8: (1e-7, 1e-7)}.get(old.dtype.itemsize, (1e-7, 1e-7))
        numpy.testing.assert_allclose(new, old, rtol=rtol, atol=atol, err_msg=what, equal_nan=True)
    elif old.dtype.kind in "fc":
        assert numpy.array_equal(old, new, equal_nan=True), f"{what} differs"
    else:
        assert numpy.array_equal(old, new), f"{what} differs: {old!r} before, {new!r} after"


def _same_frames(old: Any, new: Any, what: str, close: bool) -> None:
    from pandas import testing

    compare = {
        "DataFrame": testing.assert_frame_equal,
        "Series": testing.assert_series_equal,
    }.get(type(old).__name__, testing.assert_index_equal)
    try:
        if close:
            compare(old, new)
        else:
            compare(old, new, **({} if "index" in compare.__name__ else {"check_exact": True}))
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error
