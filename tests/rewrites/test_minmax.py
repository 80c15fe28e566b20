"""The largest and the smallest element: what is called safe is the same to the bit, whatever dtypes and values are."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, np, outcome, rewritten, same

HEAD = """
import numpy as np
def run(fill, n, seed):
    a = np.zeros((n,), dtype={dtype})
    b = np.zeros((n,), dtype={dtype})
    a[:] = fill((n,), "{name}", seed)
    b[:] = fill((n,), "{name}", seed + 1)
    m = {start}
    for i in range({first}len(a)):
        {body}
    return m
"""
BODIES = {
    "largest": "if a[i] > m:\n            m = a[i]",
    "smallest": "if m > a[i]:\n            m = a[i]",
    "or equal": "if a[i] >= m:\n            m = a[i]",
    "max": "m = max(m, a[i])",
    "max turned": "m = max(a[i], m)",
    "min": "m = min(m, a[i])",
    "conditional": "m = a[i] if a[i] < m else m",
    "absolute": "m = max(m, np.abs(a[i]))",
    "absolute turned": "m = max(np.abs(a[i]), m)",
    "smallest absolute": "m = min(m, np.abs(a[i]))",
    "temporary": "d = a[i] * b[i]\n        if d > m:\n            m = d",
    "two temporaries": "x = a[i]\n        d = np.abs(x - b[i])\n        if m < d:\n            m = d",
    "read twice": "d = a[i] * b[i]\n        if d + d * d > m:\n            m = d + d * d",
    "counter": "m = max(m, a[i] * i)",
}
STARTS = ("0", "0.0", "-1", "200", "0.1", "-np.inf", "float('inf')", "a[0]", "b[0]")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("body", BODIES)
def test_safe_is_the_same(body: str, dtype: str) -> None:
    for start in STARTS:
        for first in ("", "1, ") if start in ("0", "a[0]") else ("",):
            code = program(body, dtype, start, first)
            fixed, _ = rewritten(code, "ML103")
            if fixed == code:
                continue
            for n in (0, 1, 2, 5, 40):
                for seed in range(4 if n > 1 else 1):
                    old, new = (outcome(text, fill=filled, n=n, seed=seed) for text in (code, fixed))
                    if isinstance(old, type) and isinstance(new, type):
                        continue  # both raise
                    assert same(old, new), f"{fixed}\n{(n, seed)}: {old!r} before, {new!r} after"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", ["0", "-1", "1", "-np.inf", "np.inf", "a[0]"])
@pytest.mark.parametrize("body", BODIES)
def test_zeros_of_either_sign_and_nan(body: str, start: str, dtype: str) -> None:
    code = program(body, dtype, start).replace("(n,)", "(40,)")
    fixed, _ = rewritten(code, "ML103")
    for seed in range(12 if fixed != code else 0):
        old, new = (outcome(text, fill=zeros, n=40, seed=seed) for text in (code, fixed))
        assert same(old, new), f"{fixed}\n{seed}: {old!r} before, {new!r} after"


def zeros(shape: tuple[int, ...], dtype: str, seed: int) -> object:
    """Zeros of either sign and NaN, in the first place as well; all else is smaller, or all else is larger."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0.0, -0.0, np.nan, -1.0 if seed % 2 else 1.0], dtype=dtype), size=shape)


def program(body: str, dtype: str, start: str, first: str = "") -> str:
    """A function with one of the loops."""
    code = HEAD.replace("{start}", start).replace("{first}", first).replace("{body}", BODIES[body])
    return code.replace("{dtype}", "bool" if dtype == "bool" else f"np.{dtype}").replace("{name}", dtype)


@pytest.mark.parametrize(
    ("body", "dtype", "start", "safe"),
    [
        ("largest", "int64", "0", True),
        ("largest", "int64", "a[0]", True),
        ("largest", "int64", "-np.inf", False),  # there may be no elements
        ("largest", "uint8", "-1", False),  # no start of a reduction to uint8
        ("or equal", "int64", "0", False),  # the type of a zero
        ("or equal", "int64", "b[0]", False),  # nothing tells that `a` has elements
        ("max turned", "float64", "0", False),  # NaN
        ("largest", "float64", "0", True),
        ("largest", "float64", "-1", False),  # -0.0 and 0.0
        ("smallest", "float64", "0.0", True),
        ("absolute", "float64", "-np.inf", True),
        ("smallest absolute", "float32", "float('inf')", True),
        ("largest", "float32", "0.1", False),  # no number of float32
        ("largest", "float64", "a[0]", False),  # NaN
        ("temporary", "int64", "0", True),
        ("two temporaries", "float64", "0", True),
        ("read twice", "int64", "0", True),
        ("counter", "uint8", "0", False),
    ],
)
def test_which_are_safe(body: str, dtype: str, start: str, safe: bool) -> None:
    _, safeties = rewritten(program(body, dtype, start), "ML103")
    assert safeties == [Safety.SAFE if safe else Safety.UNSAFE]
