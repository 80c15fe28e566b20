"""The place of the largest and the smallest element: what is called safe is the same, whatever the values are."""

from __future__ import annotations

import pytest

from mlint.finding import Safety
from tests.rewrites.executed import DTYPES, filled, outcome, rewritten, same

HEAD = """
import numpy as np
def run(fill, seed):
    a = np.zeros(({size},), dtype={dtype})
    b = np.zeros(({size},), dtype={dtype})
    a[:] = fill(({size},), "{name}", seed)
    b[:] = fill(({size},), "{name}", seed + 1)
    best = {start}
    at = {place}
    for i in range({first}{rounds}):
        {body}
    return at, best
"""
BODIES = {
    "largest": "if a[i] > best:\n            best = a[i]\n            at = i",
    "smallest": "if best > a[i]:\n            at = i\n            best = a[i]",
    "or equal": "if a[i] >= best:\n            best = a[i]\n            at = i",
    "both": "if a[i] < best:\n            best, at = a[i], i",
    "looked up": "if a[i] > a[at]:\n            at = i",
    "looked up turned": "if a[at] > a[i]:\n            at = i",
    "temporary": "d = a[i] * b[i]\n        if d > best:\n            best, at = d, i",
    "expression": "if a[i] + b[i] < best:\n            best, at = a[i] + b[i], i",
    "absolute": "if np.abs(a[i]) > best:\n            best, at = np.abs(a[i]), i",
}
STARTS = ("-1", "256", "-np.inf", "np.inf", "a[0]", "b[0]")
LAYOUTS = (("0", 30, ""), ("0", 30, "1, "), ("None", 9, ""), ("0", 0, ""))


def program(body: str, dtype: str, start: str, place: str = "0", size: int = 30, first: str = "") -> str:
    """A function with one of the loops."""
    code = HEAD.replace("{start}", start).replace("{first}", first).replace("{body}", BODIES[body])
    code = code.replace("{dtype}", "bool" if dtype == "bool" else f"np.{dtype}").replace("{name}", dtype)
    return code.replace("{size}", str(size)).replace("{place}", place).replace("{rounds}", "len(a)")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("body", BODIES)
def test_safe_is_the_same(body: str, dtype: str) -> None:
    for start in STARTS:
        for place, size, first in LAYOUTS:
            code = program(body, dtype, start, place, size, first)
            fixed, _ = rewritten(code, "ML111")
            if fixed == code:
                continue
            for seed in range(8):
                old, new = (outcome(text, fill=filled, seed=seed) for text in (code, fixed))
                if isinstance(old, type) and isinstance(new, type):
                    continue  # both raise
                assert same(old, new), f"{fixed}\n{seed}: {old!r} before, {new!r} after"


@pytest.mark.parametrize(
    ("body", "dtype", "start", "safety"),
    [
        ("largest", "int64", "a[0]", Safety.SAFE),
        ("largest", "bool", "a[0]", Safety.SAFE),
        ("largest", "int64", "-np.inf", Safety.SAFE),
        ("largest", "uint8", "-1", Safety.SAFE),
        ("smallest", "uint8", "256", Safety.SAFE),
        ("largest", "int64", "-1", None),
        ("largest", "int64", "np.inf", None),
        ("smallest", "int64", "np.inf", Safety.SAFE),
        ("both", "float32", "np.inf", Safety.UNSAFE),
        ("both", "float32", "0", None),
        ("or equal", "int64", "a[0]", None),
        ("looked up", "int64", "0", Safety.SAFE),
        ("looked up turned", "float64", "0", Safety.UNSAFE),
        ("temporary", "int64", "-np.inf", Safety.SAFE),
        ("expression", "int64", "a[0] + b[0]", Safety.SAFE),
        ("expression", "int64", "a[0] * b[0]", None),
        ("absolute", "int64", "-np.inf", Safety.SAFE),
        ("largest", "int64", "b[0]", None),
        ("largest", "int64", "a[1]", None),
    ],
)
def test_which_are_safe(body: str, dtype: str, start: str, safety: Safety | None) -> None:
    _, safeties = rewritten(program(body, dtype, start), "ML111")
    assert safeties == ([] if safety is None else [safety])
