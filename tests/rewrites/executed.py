"""Loops and their safe rewrites, both executed: the same bits, dtypes and errors whatever the sizes and values are."""

from __future__ import annotations

import functools
import textwrap
import warnings
from typing import Any

import pytest

from mlint.engine import Engine, EngineOptions
from mlint.finding import Safety
from mlint.fixer import fix_source
from mlint.registry import load_index
from mlint.source import Source

np = pytest.importorskip("numpy")

DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


@functools.cache
def _engine() -> Engine:
    return Engine(load_index(), options=EngineOptions(target_versions={"numpy": ">=2.0"}, roots=("/",)))


def rewritten(code: str, rule: str) -> tuple[str, list[Safety]]:
    """What the safe fixes of a rule make of a program, and the safety of the fix of each finding."""
    source = Source.from_bytes(textwrap.dedent(code).encode(), "/example.py")
    engine = _engine()

    def check(text: Source) -> Any:
        report = engine.check(text, frozenset({rule}))
        assert not report.errors, report.errors[0].details
        return report.findings

    findings = check(source)
    fixed = fix_source(source, check, lambda finding: finding.fix is not None and finding.fix.safety is Safety.SAFE)
    assert not fixed.failures, fixed.failures
    return fixed.source.text, [finding.fix.safety for finding in findings if finding.fix is not None]


def filled(shape: tuple[int, ...], dtype: str, seed: int) -> Any:
    """An array of a dtype with the values that make trouble: NaN, infinities, signed zeros, the largest integers."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith("float"):
        values = rng.normal(size=shape).astype(dtype)
        odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, 3e38], dtype=dtype)
        return np.where(rng.random(shape) < 0.2, rng.choice(odd, size=shape), values)
    info = np.iinfo(dtype)
    wide = rng.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.5, wide, rng.integers(0, 5, size=shape).astype(dtype))


def outcome(code: str, **given: object) -> object:
    """What the function `run` of a program returns, or the error that it raises."""
    namespace: dict[str, Any] = {}
    exec(compile(textwrap.dedent(code), "example.py", "exec"), namespace)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return namespace["run"](**given)
        except (ArithmeticError, ValueError, IndexError, TypeError) as error:
            return type(error)


def same(old: object, new: object) -> bool:
    """Whether two results are the same to the bit; NaN is NaN whatever its payload."""
    if type(old) is not type(new):
        return False
    if isinstance(old, (list, tuple)):
        assert isinstance(new, (list, tuple))
        return len(old) == len(new) and all(same(a, b) for a, b in zip(old, new))
    if isinstance(old, (np.ndarray, np.generic)):
        assert isinstance(new, (np.ndarray, np.generic))
        if old.dtype != new.dtype or old.shape != new.shape:
            return False
        if old.dtype.kind == "f":
            signs = np.array_equal(np.signbit(old)[~np.isnan(old)], np.signbit(new)[~np.isnan(new)])
            return signs and np.array_equal(old, new, equal_nan=True)
        return np.array_equal(old, new)
    return old == new or old is new
