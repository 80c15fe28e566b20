"""Dot products of all pairs of rows: what is called safe is the same to the bit."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, outcome, rewritten, same

PAIRS = {
    "np.dot(X[i], Y[j])": True,
    "X[i] @ Y[j]": True,
    "np.inner(Y[j, :], X[i, :])": True,
    "np.sum(X[i] * Y[j])": False,
    "np.linalg.norm(X[i] - Y[j])": False,
    "((X[i] - Y[j]) ** 2).sum()": False,
    "np.abs(X[i] - Y[j]).max()": False,
}
PROGRAM = """
import numpy as np
def run(fill, n, m, d):
    X = np.zeros((n, d), dtype={dtype})
    Y = np.zeros((m, d), dtype={dtype})
    D = np.zeros((n, m), dtype={stored})
    X[:] = fill((n, d), "{name}", 1)
    Y[:] = fill((m, d), "{name}", 2)
    for i in range(n):
        for j in range(m):
            D[i, j] = {value}
    return D
"""
SIZES = [(0, 2, 3), (2, 0, 3), (2, 3, 0), (1, 1, 1), (4, 3, 9)]


def program(value: str, name: str, stored: str) -> str:
    code = PROGRAM.replace("{value}", value).replace("{name}", name)
    for hole, dtype in (("{dtype}", name), ("{stored}", stored)):
        code = code.replace(hole, "bool" if dtype == "bool" else f"np.{dtype}")
    return code


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", PAIRS)
def test_safe_is_the_same(value: str, dtype: str) -> None:
    for stored in {dtype, "float64", "int64"}:
        code = program(value, dtype, stored)
        fixed, safeties = rewritten(code, "ML107")
        exact = PAIRS[value] and dtype == stored and "int" in dtype
        assert safeties == [Safety.SAFE if exact else Safety.UNSAFE]
        for n, m, d in SIZES:
            old, new = (outcome(text, fill=filled, n=n, m=m, d=d) for text in (code, fixed))
            assert same(old, new), f"{fixed}\n{(n, m, d)}: {old} before, {new} after"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    return D", "    return D, i"),
        ("D = np.zeros((n, m)", "D = X"),
        ("D = np.zeros((n, m)", "D = X[:, :m]"),
        ("range(m)", "range(i)"),
    ],
)
def test_no_safe_rewrite(old: str, new: str) -> None:
    code = program("X[i] @ Y[j]", "int64", "int64")
    line = next(line for line in code.splitlines() if old in line)
    changed = f"    {new}" if new.startswith("D = X") else line.replace(old, new)
    _, safeties = rewritten(code.replace(line, changed), "ML107")
    assert Safety.SAFE not in safeties
